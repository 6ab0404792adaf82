"""Everything that can be wrong with a sweep, found before trial 0.

What the application itself can tell of its configs is left to the function named in
``hydra.sweeper.check``; this module knows Hydra, Optuna and the stores only.
"""

import difflib
from collections.abc import Iterator

import optuna
from hydra.core.config_loader import ConfigLoader
from hydra.errors import HydraException
from hydra.utils import get_method, instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnexp.current import RUN_ID
from rnnexp.errors import one_line
from rnnexp.jobs import Jobs
from rnnexp.known import known_settings
from rnnexp.resume import DEFINITION, definition, differences, study_to_resume
from rnnexp.space import Space, parse
from rnnexp.stores import absolute_uri, open_storage, sqlite_file, study_names, write_fault
from rnnexp.tracking import Tracker


def preflight(
    config: DictConfig, loader: ConfigLoader, arguments: list[str], jobs: Jobs
) -> tuple[Space, list[str]]:
    """The search space of a sweep, and every fault of the sweep.

    Args:
        config: Hydra's composed config of the sweep.
        loader: Composes the configs of trials.
        arguments: The command line's overrides; they win over ``hydra.sweeper.params``.
        jobs: Where the application's own check runs.
    """
    settings = config.hydra.sweeper
    params, faults = _params(settings)
    space, unread = parse([*params, *arguments], loader)
    faults += unread
    faults += [*_numbers(settings), *_optuna(settings), *_storage(settings)]
    faults += Tracker(settings.tracking.uri, settings.tracking.experiment).faults()
    if not (space.dimensions or faults):
        faults.append(
            "nothing to search: give ranges in hydra.sweeper.params or on the command line, "
            "such as 'model.units=choice(32,64)', or leave out -m to train once"
        )
    configs = list(_configs(config, loader, space, faults))
    base = configs[0] if configs else None
    faults += known_settings(settings, space)[1]
    faults += _repeat_seed(config, base, space)
    faults += _resume(settings, base, space)
    if settings.check and configs:
        faults += jobs.call(get_method(settings.check), configs).result()
    return space, list(dict.fromkeys(faults))


def _params(settings: DictConfig) -> tuple[list[str], list[str]]:
    """``hydra.sweeper.params`` as overrides, and what of it is none."""
    params, faults = [], []
    for key, value in (settings.params or {}).items():
        if isinstance(value, DictConfig | ListConfig):
            faults.append(
                f"hydra.sweeper.params.{key}={value}: must be one value or range in Hydra's "
                "grammar, under the whole key, such as 'model.units: choice(32, 64)'"
            )
        else:
            params.append(f"{key!s}={'null' if value is None else value}")
    return params, faults


def _numbers(settings: DictConfig) -> list[str]:
    faults = [
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
        faults.append("hydra.sweeper.n_trials=null: needs a timeout or a patience, to end at all")
    if not 0 <= settings.max_failure_rate <= 1:
        rate = settings.max_failure_rate
        faults.append(f"hydra.sweeper.max_failure_rate={rate}: must be between 0 and 1")
    return faults


def _repeat_seed(config: DictConfig, base: DictConfig | None, space: Space) -> list[str]:
    key = config.hydra.sweeper.repeat_seed
    if key is None or base is None:
        return []
    where = f"hydra.sweeper.repeat_seed={key}"
    if key in space.by_key:
        return [f"{where}: is searched itself"]
    if unknown := _unknown_key(config, key):
        return [f"{where}: {unknown}"]
    seed = OmegaConf.select(base, key)
    return [] if type(seed) is int else [f"{where}: must be the key of an int, not of {seed!r}"]


def _optuna(settings: DictConfig) -> list[str]:
    faults = []
    if settings.direction not in ("minimize", "maximize"):
        direction = settings.direction
        faults.append(f"hydra.sweeper.direction={direction}: must be minimize or maximize")
    for name, base in (
        ("sampler", optuna.samplers.BaseSampler),
        ("pruner", optuna.pruners.BasePruner),
    ):
        try:
            made = instantiate(settings[name])
        except (HydraException, OmegaConfBaseException) as error:
            faults.append(f"hydra.sweeper.{name}: {one_line(error)}")
            continue
        if not isinstance(made, base):
            faults.append(f"hydra.sweeper.{name}: {made!r} is not an Optuna {name}")
    return faults


def _storage(settings: DictConfig) -> list[str]:
    url = absolute_uri(settings.storage)
    if url.startswith("sqlite:///") and not sqlite_file(url):
        return [
            f"hydra.sweeper.storage={settings.storage}: each process would have a study of its "
            "own; give a file, such as sqlite:///optuna.db"
        ]
    if fault := write_fault(url):
        return [f"hydra.sweeper.storage: {fault}"]
    try:
        taken = settings.study_name in study_names(url)
    except Exception as error:  # whatever the database's driver raises
        return [f"hydra.sweeper.storage: {url} can't be opened: {one_line(error)}"]
    if taken and settings.resume is None:
        return [
            f"hydra.sweeper.study_name={settings.study_name}: there is such a study in {url} "
            f"already; go on with it by hydra.sweeper.resume={settings.study_name}, give another "
            "name, or leave the name out for one with the time in it"
        ]
    return []


def _resume(settings: DictConfig, base: DictConfig | None, space: Space) -> list[str]:
    if settings.resume is None:
        return []
    name, faults = study_to_resume(settings)
    if not name or not base:
        return faults
    study = optuna.load_study(study_name=name, storage=open_storage(absolute_uri(settings.storage)))
    found = differences(study.user_attrs.get(DEFINITION, {}), definition(base, space))
    if study.direction.name.lower() != settings.direction:
        found.append(
            f"direction was {study.direction.name.lower()}, now it is {settings.direction}"
        )
    faults = [f"hydra.sweeper.resume={name}: the study is another one: {text}" for text in found]
    tracker = Tracker(settings.tracking.uri, settings.tracking.experiment)
    run_id = study.user_attrs.get(RUN_ID)
    if run_id and not tracker.faults() and not tracker.knows(run_id):
        faults.append(
            f"hydra.sweeper.resume={name}: its run {run_id} is not in {tracker.uri}; give the "
            "tracking.uri that the study began with"
        )
    return faults


def _configs(
    config: DictConfig, loader: ConfigLoader, space: Space, faults: list[str]
) -> Iterator[DictConfig]:
    """Configs of trials to look at: every choice, and both ends of every range, come up once.

    What can't be composed is added to ``faults`` and left out, so that the rest is still
    looked at.
    """
    overrides: list[str] = []
    for text in space.fixed:
        if _compose(config, loader, [*overrides, text], faults):
            overrides.append(text)
    if base := _compose(config, loader, overrides, faults):
        yield base
    for dimension in space.dimensions:
        first = None
        for text in map(dimension.override, dimension.probes()):
            if composed := _compose(config, loader, [*overrides, text], faults):
                first = first or text
                yield composed
        overrides += [first] if first else []


def _compose(
    config: DictConfig, loader: ConfigLoader, overrides: list[str], faults: list[str]
) -> DictConfig | None:
    try:
        return loader.load_sweep_config(config, overrides)
    except (HydraException, OmegaConfBaseException) as error:
        key = overrides[-1].partition("=")[0] if overrides else ""
        faults.append(_unknown_key(config, key) or f"{overrides[-1]}: {one_line(error)}")
        return None


def _unknown_key(config: DictConfig, key: str) -> str | None:
    """What to say if the config has no such key: where it ends, and what there is instead."""
    node: object = config
    path = ""
    for name in key.split("."):
        if not isinstance(node, DictConfig):
            return f"{key} is not in the config: {path} is a value and has no keys"
        if name not in node:
            keys = [str(known) for known in node if known != "hydra"]
            near = difflib.get_close_matches(name, keys, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            return f"{key} is not in the config: {path or 'it'} has {', '.join(keys)}{hint}"
        node, path = node._get_node(name), f"{path}.{name}".lstrip(".")
    return None
