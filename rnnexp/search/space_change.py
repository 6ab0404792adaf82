"""A search space that a resume changes: which of the earlier trials fit it, and how each is stored.

Optuna takes one list of choices a key and study ("CategoricalDistribution does not support dynamic
value space"), and compares trials by the keys that they have. So all choices that a study has ever
had stay in its storage, and an earlier trial gets the value that its config had under a key that is
searched now. What is drawn is the space alone.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial

from rnnexp.formatting import read_value
from rnnexp.search.dimension import Dimension, Params, Value
from rnnexp.search.space import Space


def value_in(text: str, dimension: Dimension) -> Value:
    """Return the value that a study's definition has under a key, as the key is searched now.

    Args:
        text: The value as a text, see `rnnexp.search.study_definition.definition`.
        dimension: The key.

    Raises:
        ValueError: If the text is no value, such as an interpolation.
    """
    if re.search(r"\$\{|^[\[{]", text):
        raise ValueError(f"{text} is not one value")
    if isinstance(dimension.distribution, CategoricalDistribution):
        for choice in dimension.distribution.choices:
            if str(choice) == text:
                return choice
    return read_value(text)


def carried(params: Mapping[str, Value], added: Mapping[str, Value], space: Space) -> Params:
    """Return the params of an earlier trial, with its values of keys that were not searched then.

    Args:
        params: The trial's params.
        added: The value of each of these keys that the earlier trials have in their configs.
        space: The search space of now.
    """
    whole = dict(params)
    for d in space.dimensions:  # parents come first
        if d.key in added and d.key not in whole and d.applies(whole):
            whole[d.key] = added[d.key]
    return whole


def fits(params: Mapping[str, Value], space: Space) -> bool:
    """Return whether the space could draw params, which are whole."""
    return space.holds(params) and params.keys() <= space.by_key.keys()


def with_stored(
    space: Space, trials: Iterable[FrozenTrial], added: Mapping[str, Value] | None = None
) -> Space:
    """Return a space that knows the choices that its study stores, next to those that are searched.

    Args:
        space: The search space.
        trials: The trials of the study.
        added: The values of keys that the trials get, see `carried`.
    """
    before: dict[str, dict[Value, None]] = {}
    for key, value in (added or {}).items():
        before[key] = {value: None}
    for trial in trials:
        for key, distribution in trial.distributions.items():
            known = before.setdefault(key, {})
            if isinstance(distribution, CategoricalDistribution):
                known |= dict.fromkeys(distribution.choices)
            else:
                known[trial.params[key]] = None
    return replace(
        space,
        dimensions=tuple(_with_stored(d, [*before.get(d.key, ())]) for d in space.dimensions),
    )


def _with_stored(dimension: Dimension, before: Sequence[Value]) -> Dimension:
    distribution = dimension.distribution
    if not isinstance(distribution, CategoricalDistribution):
        return dimension
    every = tuple(dict.fromkeys([*before, *distribution.choices]))
    stored = None if every == distribution.choices else CategoricalDistribution(every)
    return replace(dimension, stored=stored)


def as_stored(trial: FrozenTrial, added: Mapping[str, Value], space: Space) -> FrozenTrial:
    """Return a trial as a study with a changed space stores it.

    Args:
        trial: The trial as it was stored before.
        added: The values of keys that the trial gets, see `carried`.
        space: The search space of now, as of `with_stored`.

    Raises:
        ValueError: If a value can't be stored any more, such as a word where numbers are searched.
    """
    own, known = copy(trial), space.by_key
    own.params = carried(trial.params, added, space)
    own.distributions = dict(trial.distributions)  # those of keys that are not searched now stay
    for key in own.params.keys() & known.keys():
        try:
            own.distributions[key] = known[key].stored_as(own.params[key])
        except ValueError as error:
            raise ValueError(f"trial {trial.number} can't be kept: {key}: {error}") from error
    return own


def must_be_rewritten(before: FrozenTrial, now: FrozenTrial) -> bool:
    """Return whether Optuna would refuse to store both forms of a trial in one study."""
    if before.params.keys() != now.params.keys():
        return True
    old = before.distributions
    return any(not _go_together(old[key], new) for key, new in now.distributions.items())


def _go_together(before: BaseDistribution, now: BaseDistribution) -> bool:
    if isinstance(before, CategoricalDistribution) or isinstance(now, CategoricalDistribution):
        return before == now
    return type(before) is type(now) and getattr(before, "log", None) == getattr(now, "log", None)


class SearchedTrials:
    """The trials of a study as if its present space had drawn them, without those that don't fit.

    Samplers learn from these: they take a value that is outside of a range for one inside, and
    trials of two ranges for two keys.

    Args:
        space: The search space of now.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._ended: dict[int, FrozenTrial | None] = {}  # by number; these don't change again

    def of(self, trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
        """Return the trials that fit, with the distributions of the space."""
        return [found for trial in trials if (found := self._of(trial))]

    def _of(self, trial: FrozenTrial) -> FrozenTrial | None:
        if trial.number in self._ended:
            return self._ended[trial.number]
        own = None
        has_ended = trial.state.is_finished()
        if fits(trial.params, self._space) if has_ended else self._space.admits(trial.params):
            own = copy(trial)
            own.distributions = {k: self._space.by_key[k].distribution for k in trial.params}
        if has_ended:
            self._ended[trial.number] = own
        return own
