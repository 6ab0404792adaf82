"""Everything that can be wrong with a sweep, found before trial 0.

What the application itself can tell of its configs is left to the function named in
``hydra.sweeper.check``; this module knows Hydra, Optuna and the stores only.
"""

from collections.abc import Iterable, Sequence

import optuna
from hydra.core.config_loader import ConfigLoader
from hydra.errors import HydraException
from hydra.utils import get_method, instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnexp.errors import one_line
from rnnexp.execution.composer import Composer
from rnnexp.execution.launching import Jobs
from rnnexp.search.conditions import as_overrides, with_conditions
from rnnexp.search.config_keys import unknown_key
from rnnexp.search.dimension import Dimension, Value
from rnnexp.search.enqueue import Setting, enqueued_params
from rnnexp.search.space import Space, parse
from rnnexp.storage.mlflow_store import Tracker
from rnnexp.storage.optuna_store import open_storage, study_names
from rnnexp.storage.registry import name_problem
from rnnexp.storage.schema import StudyAttrs
from rnnexp.storage.uris import absolute_uri, sqlite_file, write_problem
from rnnexp.sweep.resume import definition, differences, study_to_resume, taken_name
from rnnexp.sweep.retention import keep_problems


def preflight(
    config: DictConfig, loader: ConfigLoader, arguments: list[str], jobs: Jobs
) -> tuple[Space, list[str]]:
    """The search space of a sweep, and every problem of the sweep.

    Args:
        config: Hydra's composed config of the sweep.
        loader: Composes the configs of trials.
        arguments: The command line's overrides; they win over ``hydra.sweeper.params`` and
            ``hydra.sweeper.when``.
        jobs: Where the application's own check runs.
    """
    settings = config.hydra.sweeper
    params, problems = as_overrides("hydra.sweeper.params", settings.params or {})
    space, unread = parse([*params, *arguments], loader)
    problems += unread
    unfit: list[str] = []
    composer = Composer(loader, config)
    fixed, base = _base(composer, space.fixed, unfit)
    space, conditions = with_conditions(
        space, settings.when, params=params, arguments=arguments, base=base, loader=loader
    )
    problems += conditions
    problems += [
        *_numbers(settings),
        *keep_problems(settings.keep),
        *_optuna(settings),
        *_storage(settings),
        *_folders(config),
    ]
    problems += Tracker(**settings.tracking).problems()
    problems += _registered_model(settings)
    if not (space.dimensions or problems):
        problems.append(
            "nothing to search: give ranges in hydra.sweeper.params or on the command line, "
            "such as 'model.units=choice(32,64)', or leave out -m to train once"
        )
    configs = _probed(composer, space, fixed, unfit)
    problems += unfit
    problems += enqueued_params(settings, space)[1]
    problems += _repeat_seed(config, base, space)
    problems += _resume(settings, base, space)
    if settings.check and configs:
        problems += jobs.call(get_method(settings.check), configs).result()
    return space, list(dict.fromkeys(problems))


def _numbers(settings: DictConfig) -> list[str]:
    problems = [
        f"hydra.sweeper.{name}={settings[name]}: must be {bounds}"
        for name, least, bounds in (
            ("n_trials", 1, "at least 1"),
            ("n_jobs", 1, "at least 1"),
            ("patience", 1, "at least 1"),
            ("retries", 0, "at least 0"),
            ("timeout", 1e-9, "seconds, more than 0"),
            ("min_delta", 0, "at least 0"),
        )
        if settings[name] is not None and not settings[name] >= least
    ]
    if settings.n_trials is None and settings.timeout is None and settings.patience is None:
        problems.append("hydra.sweeper.n_trials=null: needs a timeout or a patience, to end at all")
    if not 0 <= settings.max_failure_rate <= 1:
        rate = settings.max_failure_rate
        problems.append(f"hydra.sweeper.max_failure_rate={rate}: must be between 0 and 1")
    return problems


def _registered_model(settings: DictConfig) -> list[str]:
    name = settings.registered_model_name
    if not settings.publish or name is None or not (problem := name_problem(name)):
        return []
    return [
        f"hydra.sweeper.registered_model_name={name}: {problem}; give another, or null to register "
        "nothing. By default it is the study's name"
    ]


def _repeat_seed(config: DictConfig, base: DictConfig | None, space: Space) -> list[str]:
    key = config.hydra.sweeper.repeat_seed
    if key is None or base is None:
        return []
    where = f"hydra.sweeper.repeat_seed={key}"
    if key in space.by_key:
        return [f"{where}: is searched itself"]
    if unknown := unknown_key(config, key):
        return [f"{where}: {unknown}"]
    seed = OmegaConf.select(base, key)
    return [] if type(seed) is int else [f"{where}: must be the key of an int, not of {seed!r}"]


def _optuna(settings: DictConfig) -> list[str]:
    problems = []
    if settings.direction not in ("minimize", "maximize"):
        direction = settings.direction
        problems.append(f"hydra.sweeper.direction={direction}: must be minimize or maximize")
    for name, base in (
        ("sampler", optuna.samplers.BaseSampler),
        ("pruner", optuna.pruners.BasePruner),
    ):
        try:
            made = instantiate(settings[name])
        except (HydraException, OmegaConfBaseException) as error:
            problems.append(f"hydra.sweeper.{name}: {one_line(error)}")
            continue
        if not isinstance(made, base):
            problems.append(f"hydra.sweeper.{name}: {made!r} is not an Optuna {name}")
    return problems


def _storage(settings: DictConfig) -> list[str]:
    url = absolute_uri(settings.storage)
    if url.startswith("sqlite:///") and not sqlite_file(url):
        return [
            f"hydra.sweeper.storage={settings.storage}: each process would have a study of its "
            "own; give a file, such as sqlite:///optuna.db"
        ]
    if problem := write_problem(url):
        return [f"hydra.sweeper.storage: {problem}"]
    try:
        taken = settings.study_name in study_names(url)
    except Exception as error:  # whatever the database's driver raises
        return [f"hydra.sweeper.storage: {url} can't be opened: {one_line(error)}"]
    if taken and settings.resume is None:
        return [taken_name(settings)]
    return []


def _folders(config: DictConfig) -> list[str]:
    subdir = str(OmegaConf.to_container(config.hydra.sweep, resolve=False)["subdir"])  # type: ignore[index,call-overload]
    if "${" in subdir:
        return []
    return [
        f"hydra.sweep.subdir={subdir}: every trial needs a folder of its own, in which it is "
        "backed up; give a name with ${hydra.job.num} in it"
    ]


def _resume(settings: DictConfig, base: DictConfig | None, space: Space) -> list[str]:
    if settings.resume is None:
        return []
    name, problems = study_to_resume(settings)
    if not name or not base:
        return problems
    study = optuna.load_study(study_name=name, storage=open_storage(absolute_uri(settings.storage)))
    now = definition(base, space)
    # Without a definition its sweep died as it began.
    found = differences(study.user_attrs.get(StudyAttrs.DEFINITION, now), now)
    if study.direction.name.lower() != settings.direction:
        found.append(
            f"direction was {study.direction.name.lower()}, now it is {settings.direction}"
        )
    problems = [f"hydra.sweeper.resume={name}: the study is another one: {text}" for text in found]
    tracker = Tracker(**settings.tracking)
    run_id = study.user_attrs.get(StudyAttrs.RUN_ID)
    if run_id and not tracker.problems() and not tracker.knows(run_id):
        problems.append(
            f"hydra.sweeper.resume={name}: its run {run_id} is not in {tracker.uri}; give the "
            "tracking.uri that the study began with"
        )
    return problems


def _base(
    composer: Composer, fixed: Sequence[str], problems: list[str]
) -> tuple[list[str], DictConfig | None]:
    """The fixed overrides that can be composed, and the config with them alone."""
    if whole := _compose(composer, [*fixed], []):
        return [*fixed], whole
    overrides: list[str] = []  # one by one, to tell which is wrong
    for text in fixed:
        if _compose(composer, [*overrides, text], problems):
            overrides.append(text)
    return overrides, _compose(composer, overrides, problems)


def _probed(
    composer: Composer, space: Space, fixed: list[str], problems: list[str]
) -> list[DictConfig]:
    """Configs of trials to look at: every choice, and both ends of every range, come up once.

    Each is a whole setting, as a trial's, since one choice may need another: five classes
    another loss. What can't be composed is added to ``problems`` and left out, so that the rest
    is still looked at.
    """
    composed: dict[frozenset[str], DictConfig] = {}  # by overrides: most are asked for twice

    def compose(texts: list[str], problems: list[str]) -> DictConfig | None:
        key = frozenset(texts)
        if key not in composed and (found := _compose(composer, [*fixed, *texts], problems)):
            composed[key] = found
        return composed.get(key)

    def around(d: Dimension, value: Value) -> DictConfig | None:
        setting = space.around(d.key, value, first)
        # Last comes what a problem is to be put down to.
        others = [other for other in space.dimensions if other.key in setting and other != d]
        return compose([*_texts(others, setting), d.override(value)], problems)

    first = space.only_applying({d.key: d.probes()[0] for d in space.dimensions})
    if not compose(_texts(space.dimensions, first), problems=[]):
        first = {}  # these don't go together
    broken: set[tuple[str, Value]] = set()
    for d in space.dimensions:
        if d.key in first:
            continue
        for value in d.probes():
            if around(d, value):
                first[d.key] = value
                break
            broken.add((d.key, value))
    if not space.dimensions:
        return list(composed.values())
    probed = [
        around(d, value)
        for d in space.dimensions
        for value in d.probes()
        if (d.key, value) not in broken
    ]
    return list({id(found): found for found in probed if found}.values())


def _texts(dimensions: Iterable[Dimension], setting: Setting) -> list[str]:
    return [d.override(setting[d.key]) for d in dimensions if d.key in setting]


def _compose(composer: Composer, overrides: list[str], problems: list[str]) -> DictConfig | None:
    try:
        return composer.compose(overrides)
    except (HydraException, OmegaConfBaseException) as error:
        if problem := _problem(composer, overrides, error, told=bool(problems)):
            problems.append(problem)
        return None


def _problem(
    composer: Composer, overrides: list[str], error: Exception, *, told: bool
) -> str | None:
    """What to say of overrides that can't be composed: in general the last is wrong."""
    *others, last = overrides or [""]
    try:
        without = composer.compose(others)
    except (HydraException, OmegaConfBaseException):
        # A parent's value, which has been told of by itself.
        return None if told else f"{' '.join(overrides)}: {one_line(error)}"
    key = last.partition("=")[0]
    unknown = None if key.startswith("+") else unknown_key(without, key)
    return unknown or f"{last}: {one_line(error)}"
