"""Configs that represent all trials of a search space, for the checks before trial 0."""

from collections.abc import Iterable, Sequence

from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from rnnexp.errors import one_line
from rnnexp.execution.composer import Composer
from rnnexp.search.config_keys import unknown_key
from rnnexp.search.dimension import Dimension, Params, Value
from rnnexp.search.space import Space


def base_config(
    composer: Composer, fixed: Sequence[str], problems: list[str]
) -> tuple[list[str], DictConfig | None]:
    """Compose the config of a trial with nothing searched.

    Args:
        composer: Composes configs.
        fixed: The overrides that are the same for every trial.
        problems: Gets a message for each override that can't be composed.

    Returns:
        The fixed overrides that can be composed, and the config with them alone.
    """
    if whole := _compose(composer, [*fixed], []):
        return [*fixed], whole
    overrides: list[str] = []  # one by one, to find which is wrong
    for text in fixed:
        if _compose(composer, [*overrides, text], problems):
            overrides.append(text)
    return overrides, _compose(composer, overrides, problems)


class Probes:
    """Composes configs so that each dimension's `Dimension.probes` come up once.

    Each config has whole params, as a trial's, since one choice may need another: five classes need
    another loss.

    Args:
        composer: Composes configs.
        space: The search space.
        fixed: The fixed overrides that can be composed.
    """

    def __init__(self, composer: Composer, space: Space, fixed: Sequence[str]) -> None:
        self._composer = composer
        self._space = space
        self._fixed = fixed
        self._composed: dict[frozenset[str], DictConfig] = {}  # by overrides
        self._usual: Params = {}  # params that go together
        self._broken: set[tuple[str, Value]] = set()

    def configs(self, problems: list[str]) -> list[DictConfig]:
        """Return the configs.

        Args:
            problems: Gets a message for each value that can't be composed; such a value is left
                out, so that the others are still checked.
        """
        self._find_usual(problems)
        if not self._space.dimensions:
            return list(self._composed.values())
        probes = [
            self._around(d, value, problems)
            for d in self._space.dimensions
            for value in d.probes()
            if (d.key, value) not in self._broken
        ]
        return list({id(config): config for config in probes if config}.values())

    def _find_usual(self, problems: list[str]) -> None:
        dimensions = self._space.dimensions
        self._usual = self._space.only_applying({d.key: d.probes()[0] for d in dimensions})
        if not self._with(_texts(dimensions, self._usual), problems=[]):
            self._usual = {}  # these values don't go together
        for d in dimensions:
            if d.key in self._usual:
                continue
            for value in d.probes():
                if self._around(d, value, problems):
                    self._usual[d.key] = value
                    break
                self._broken.add((d.key, value))

    def _around(self, d: Dimension, value: Value, problems: list[str]) -> DictConfig | None:
        params = self._space.around(d.key, value, self._usual)
        # The probed value comes last: a problem is reported as the last override's.
        others = [other for other in self._space.dimensions if other.key in params and other != d]
        return self._with([*_texts(others, params), d.override(value)], problems)

    def _with(self, texts: list[str], problems: list[str]) -> DictConfig | None:
        key = frozenset(texts)
        if key not in self._composed and (
            config := _compose(self._composer, [*self._fixed, *texts], problems)
        ):
            self._composed[key] = config
        return self._composed.get(key)


def _texts(dimensions: Iterable[Dimension], params: Params) -> list[str]:
    return [d.override(params[d.key]) for d in dimensions if d.key in params]


def _compose(composer: Composer, overrides: list[str], problems: list[str]) -> DictConfig | None:
    try:
        return composer.compose(overrides)
    except (HydraException, OmegaConfBaseException) as error:
        if problem := _problem(composer, overrides, error, is_first=not problems):
            problems.append(problem)
        return None


def _problem(
    composer: Composer, overrides: list[str], error: Exception, *, is_first: bool
) -> str | None:
    """Return the message on overrides that can't be composed: in general the last is wrong."""
    *others, last = overrides or [""]
    try:
        without = composer.compose(others)
    except (HydraException, OmegaConfBaseException):
        # A parent's value, which has its own message.
        return f"{' '.join(overrides)}: {one_line(error)}" if is_first else None
    key = last.partition("=")[0]
    unknown = None if key.startswith("+") else unknown_key(without, key)
    return unknown or f"{last}: {one_line(error)}"
