"""Params that a study tries first: ``hydra.sweeper.enqueue``."""

from collections.abc import Mapping, Sequence

from rnnexp.search.dimension import Params, Value
from rnnexp.search.space import Space
from rnnexp.storage.optuna_store import study_names, unknown_study
from rnnexp.storage.study_copy import load_study


def enqueued_params(
    items: Sequence[Mapping[str, Value] | str], storage: str, space: Space
) -> tuple[list[Params], list[str]]:
    """Return the params to try first, and their problems.

    Args:
        items: Values by searched key, of which some may be missing; or the name of a study in the
            same storage, for the params of its best trial.
        storage: Optuna's storage URL, absolute.
        space: The search space.
    """
    enqueued: list[Params] = []
    problems: list[str] = []
    for item in items:
        where = f"hydra.sweeper.enqueue: {item}"
        if isinstance(item, Mapping):
            params = {str(key): value for key, value in item.items()}
            found = _problems(params, space)
        else:
            params, found = _best_of(str(item), storage, space)
        enqueued.append(params)
        problems += [f"{where}: {problem}" for problem in found]
    return enqueued, problems


def _best_of(name: str, storage: str, space: Space) -> tuple[Params, list[str]]:
    try:
        names = study_names(storage)
    except Exception:  # the check of the storage reports what is wrong
        return {}, []
    if name not in names:
        return {}, [unknown_study(name, names, storage)]
    try:
        best = load_study(name, storage).best_trial
    except ValueError:
        return {}, ["no trial of that study completed"]
    # Keys that were searched there but are fixed here keep their value here; keys that were always
    # searched there may have a condition here.
    params = space.only_applying(best.params)
    if not params:
        return {}, ["that study searched none of the keys that are searched here"]
    return params, _problems(params, space)


def _problems(params: Mapping[str, Value], space: Space) -> list[str]:
    problems = []
    for key, value in params.items():
        dimension = space.by_key.get(key)
        if not dimension:
            problems.append(f"{key} is not searched; searched are {', '.join(space.by_key)}")
        elif not dimension.holds(value):
            problems.append(f"{key}={value} is outside of {dimension.grammar}")
        elif dimension.condition and not dimension.condition.holds(params):
            parent = dimension.condition.key
            is_given = parent in params
            but = f"not when {parent}={params[parent]}" if is_given else f"give {parent} too"
            problems.append(f"{key} is searched when {dimension.condition.grammar}; {but}")
    return problems
