"""Settings that are known already and tried first: ``hydra.sweeper.enqueue``."""

from collections.abc import Mapping

import optuna
from omegaconf import DictConfig, ListConfig, OmegaConf

from rnnexp.search.dimension import Value
from rnnexp.search.space import Space
from rnnexp.storage.optuna_store import open_storage, study_names, unknown_study
from rnnexp.storage.uris import absolute_uri

Setting = dict[str, Value]


def enqueued_params(settings: DictConfig, space: Space) -> tuple[list[Setting], list[str]]:
    """The settings to try first, and what is wrong with them.

    Args:
        settings: ``hydra.sweeper``. Each item of ``enqueue`` is values by searched key, of
            which some may be missing, or the name of a study in the same storage, which
            stands for its best trial; one item needs no list.
        space: What is searched.
    """
    given = settings.enqueue
    items = list(given) if isinstance(given, ListConfig) else [] if given is None else [given]
    known: list[Setting] = []
    problems: list[str] = []
    for item in items:
        where = f"hydra.sweeper.enqueue: {item}"
        if isinstance(item, DictConfig):
            values = OmegaConf.to_container(item, resolve=True)
            setting = {str(k): v for k, v in values.items()} if isinstance(values, dict) else {}
            found = _problems(setting, space)
        else:
            setting, found = _best_of(str(item), settings, space)
        known.append(setting)
        problems += [f"{where}: {problem}" for problem in found]
    return known, problems


def _best_of(name: str, settings: DictConfig, space: Space) -> tuple[Setting, list[str]]:
    url = absolute_uri(settings.storage)
    try:
        names = study_names(url)
    except Exception:  # what is wrong with the storage is told by itself
        return {}, []
    if name not in names:
        return {}, [unknown_study(name, names, url)]
    try:
        best = optuna.load_study(study_name=name, storage=open_storage(url)).best_trial
    except ValueError:
        return {}, ["no trial of that study completed"]
    # What was searched there but is fixed here stays as it is here.
    # What was always searched there may have a condition here.
    setting = space.only_applying(best.params)
    if not setting:
        return {}, ["that study searched nothing of what is searched here"]
    return setting, _problems(setting, space)


def _problems(setting: Mapping[str, Value], space: Space) -> list[str]:
    problems = []
    for key, value in setting.items():
        dimension = space.by_key.get(key)
        if not dimension:
            problems.append(f"{key} is not searched; searched are {', '.join(space.by_key)}")
        elif not dimension.holds(value):
            problems.append(f"{key}={value} is outside of {dimension.grammar}")
        elif dimension.condition and not dimension.condition.holds(setting):
            parent = dimension.condition.key
            is_given = parent in setting
            but = f"not when {parent}={setting[parent]}" if is_given else f"give {parent} too"
            problems.append(f"{key} is searched when {dimension.condition.grammar}; {but}")
    return problems
