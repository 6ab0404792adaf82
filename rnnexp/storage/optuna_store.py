"""Studies in Optuna's storage: open a storage, list its studies, open a trial, rank trials."""

import shlex
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from rnnexp.errors import StoreError
from rnnexp.formatting import did_you_mean
from rnnexp.objective import Objective
from rnnexp.objectives import Objectives, objectives_of_directions
from rnnexp.passwords import with_password
from rnnexp.result import Result, State
from rnnexp.storage import empty_stores
from rnnexp.storage.connections import engine_options
from rnnexp.storage.locks import locked
from rnnexp.storage.schema import StudyAttrs, StudyNames, TrialAttrs, version_problem
from rnnexp.storage.uris import is_known_server, sqlite_file, sqlite_problem

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial


@cache
def open_storage(url: str) -> "BaseStorage":
    """Open Optuna's storage, once a process: opening costs more than a short trial's reads.

    Args:
        url: An absolute URL, see `rnnexp.storage.uris.absolute_uri`.

    Raises:
        StoreError: If a SQLite file is no storage of Optuna's.
        Exception: Whatever the database's driver raises.
    """
    # The imports take a second, which most users of this module don't need.
    import optuna

    from rnnexp.storage.sparing_storage import SparingStorage

    file = sqlite_file(url)
    if file and (problem := sqlite_problem(file, "studies", "Optuna")):
        raise StoreError(problem)  # or Optuna would make its tables in it
    # Of two sweeps that begin at the same moment, one would find half of the other's tables.
    with locked(file.parent) if file else nullcontext():
        empty_stores.begin(url, "optuna", optuna.storages.RDBStorage)
        if options := engine_options(url):
            kind = SparingStorage if is_known_server(url) else optuna.storages.RDBStorage
            return optuna.storages.get_storage(kind(with_password(url), options))
        return optuna.storages.get_storage(with_password(url))


def study_names(url: str) -> list[str]:
    """Return the names of the studies in a storage, without creating a SQLite file.

    Raises:
        Exception: Whatever the database's driver raises.
    """
    file = sqlite_file(url)
    if file and not file.exists():
        return []
    found = (study.study_name for study in open_storage(url).get_all_studies())
    # A study whose rewriting was interrupted may be there as its draft alone.
    return list(dict.fromkeys(name.removesuffix(StudyNames.DRAFT) for name in found))


def newest_study(url: str) -> str | None:
    """Return the name of the study that began last; None if there is no study.

    Raises:
        Exception: Whatever the database's driver raises.
    """
    if not study_names(url):
        return None
    import optuna

    summaries = optuna.get_all_study_summaries(open_storage(url), include_best_trial=False)
    newest = max(summaries, key=lambda summary: summary.datetime_start or datetime.min)
    return newest.study_name.removesuffix(StudyNames.DRAFT)


def unknown_study(name: str, names: Sequence[str], url: str) -> str:
    """Return the message on a study that is not in a storage."""
    hint = did_you_mean(name, names) or (f"; there are {', '.join(names[:10])}" if names else "")
    return f"there is no study {name} in {url}{hint}"


def study_problem(study: "optuna.Study") -> str | None:
    """Return why a study can't be read: another schema version, or a copy that is not whole."""
    problem = version_problem(study.user_attrs.get(StudyAttrs.SCHEMA))
    if source := study.user_attrs.get(StudyAttrs.COPY_OF):
        command = shlex.join(["rnnexp", "rename", source["name"], study.study_name])
        problem = f"is a new name that study {source['name']} has in part; to finish it: {command}"
    return problem and f"study {study.study_name} {problem}"


def stored_trial(study: "optuna.Study", storage: "BaseStorage", number: int) -> "FrozenTrial":
    """Return a trial as it is stored, without a look at the others; it must not be changed.

    Args:
        study: The trial's study.
        storage: The study's storage.
        number: The trial's number.
    """
    return storage.get_trial(_trial_id(study, storage, number))


def open_trial(study: "optuna.Study", storage: "BaseStorage", number: int) -> "optuna.trial.Trial":
    """Open a running trial by its number, to report to it or to set its attributes.

    Args:
        study: The trial's study.
        storage: The study's storage.
        number: The trial's number.
    """
    import optuna

    return optuna.trial.Trial(study, _trial_id(study, storage, number))


def stored_attr(trial: "optuna.trial.Trial", name: str) -> Any:
    """Return a user attribute of a trial as it is stored, or None.

    The trial itself has the attributes that its own process has read and set.
    """
    from rnnexp.storage.sparing_storage import sparing

    if backend := sparing(trial.storage):  # one statement in place of seven
        return backend.user_attr(trial._trial_id, name)
    return stored_trial(trial.study, trial.storage, trial.number).user_attrs.get(name)


def set_trial_attr(
    study: "optuna.Study", storage: "BaseStorage", number: int, name: str, value: Any
) -> None:
    """Set a user attribute of a trial that has not ended.

    An opened trial could do so as well, but `optuna.trial.Trial` prepares the sampler first.

    Args:
        study: The trial's study.
        storage: The study's storage.
        number: The trial's number.
        name: The attribute's name.
        value: The attribute's value, which JSON can hold.
    """
    storage.set_trial_user_attr(_trial_id(study, storage, number), name, value)


def _trial_id(study: "optuna.Study", storage: "BaseStorage", number: int) -> int:
    study_id = storage.get_study_id_from_name(study.study_name)
    return storage.get_trial_id_from_study_id_trial_number(study_id, number)


def objective_of(study: "optuna.Study") -> Objective:
    """Return the first objective of a study; see `objectives_of`."""
    return objectives_of(study).first


def objectives_of(study: "optuna.Study") -> Objectives:
    """Return the objectives of a study; of another program's study, its directions."""
    attrs = study.user_attrs
    if stored := attrs.get(StudyAttrs.OBJECTIVE):
        return Objectives.from_json(Objective.parse(stored), attrs.get(StudyAttrs.OBJECTIVES))
    return objectives_of_directions([each.name.lower() for each in study.directions])


def value_of(trial: "FrozenTrial") -> float | None:
    """Return the value of a trial's first objective; None if it has none."""
    return trial.values[0] if trial.values else None


def values_of(trial: "FrozenTrial", objectives: Objectives) -> dict[str, float]:
    """Return the values of a trial by name: all that are measured, of an ended or a paused trial.

    Args:
        trial: The trial.
        objectives: The objectives of the trial's study.
    """
    result = stored_result(trial) or paused_result(trial)
    measures = dict(result.measures) if result else {}
    if trial.values:
        measures |= {o.monitor: v for o, v in zip(objectives.all, trial.values, strict=False)}
        return measures
    return objectives.named(result.value if result else None, measures)


def stored_result(trial: "FrozenTrial") -> Result | None:
    """Return the result that a trial has stored; None while it runs."""
    stored: dict[str, Any] | None = trial.user_attrs.get(TrialAttrs.RESULT)
    return Result.from_json(stored) if stored else None


def paused_result(trial: "FrozenTrial") -> Result | None:
    """Return the result of a paused trial; None if the trial is not paused."""
    return Result.from_json(trial.user_attrs[TrialAttrs.PAUSED]) if is_paused(trial) else None


def is_paused(trial: "FrozenTrial") -> bool:
    """Return whether a trial is paused, so that it is RUNNING in Optuna, but in no process."""
    return not trial.state.is_finished() and bool(trial.user_attrs.get(TrialAttrs.PAUSED))


def is_resumed(trial: "FrozenTrial") -> bool:
    """Return whether a trial was paused and goes on."""
    return (
        trial.state.name == "RUNNING"
        and not is_paused(trial)
        and bool(trial.user_attrs.get(TrialAttrs.SLICES))
    )


def replaced(trials: Iterable["FrozenTrial"]) -> set[int]:
    """Return the numbers of the trials in whose place others go on; see `TrialAttrs.REOPENS`."""
    return {number for t in trials for number in t.user_attrs.get(TrialAttrs.REOPENS, ())}


def state_of(trial: "FrozenTrial") -> str:
    """Return the name of a trial's state: Optuna's, but PAUSED for a paused trial."""
    return State.PAUSED if is_paused(trial) else str(trial.state.name)


def reopenable(trials: Sequence["FrozenTrial"]) -> list["FrozenTrial"]:
    """Return the trials that were paused when their study ended, so that a resume lets them go on.

    Args:
        trials: The trials of a study.
    """
    gone = replaced(trials)
    return [
        trial
        for trial in trials
        if trial.state.is_finished()
        and trial.user_attrs.get(TrialAttrs.PAUSED)
        and trial.number not in gone
    ]


def best_epoch(trial: "FrozenTrial") -> int | None:
    """Return the epoch of a trial's value, from 0; None if it has none, or runs."""
    result = stored_result(trial)
    return result.best_epoch if result else None


def complete_trials(study: "optuna.Study") -> list["FrozenTrial"]:
    """Return the complete trials of a study, without those in whose place others go on."""
    trials = study.get_trials(deepcopy=False)
    gone = replaced(trials)
    return [t for t in trials if t.state.name == State.COMPLETE and t.number not in gone]


def ranked(trials: Iterable["FrozenTrial"], objectives: Objectives) -> list["FrozenTrial"]:
    """Return the complete trials, the best first; of equal trials the earlier is first.

    Of several objectives, the winner is first, then come the other trials of the Pareto front.
    Trials that break a constraint are last.
    """
    complete = sorted(
        (trial for trial in trials if trial.state.name == State.COMPLETE),
        key=lambda trial: trial.number,
    )
    values = {n: values_of(trial, objectives) for n, trial in enumerate(complete)}
    return [complete[n] for n in objectives.order(values)]


def rank(trial: "FrozenTrial", objective: Objective) -> tuple[float, int]:
    """Return a key that sorts complete trials of one objective, as `ranked` does."""
    return objective.sort_key(value_of(trial)), trial.number


def front(trials: Iterable["FrozenTrial"], objectives: Objectives) -> list["FrozenTrial"]:
    """Return the complete trials on the Pareto front, by number; see `Objectives.front`."""
    complete = [trial for trial in trials if trial.state.name == State.COMPLETE]
    on_front = objectives.front({n: values_of(t, objectives) for n, t in enumerate(complete)})
    return [complete[n] for n in on_front]


def best_of(ranking: Sequence["FrozenTrial"], objectives: Objectives) -> "FrozenTrial | None":
    """Return the first of ranked trials, unless it breaks a constraint, as all then do."""
    first = next(iter(ranking), None)
    return first if first and objectives.is_feasible(values_of(first, objectives)) else None


def best_trial(study: "optuna.Study") -> "FrozenTrial | None":
    """Return the complete trial that wins; None if none is complete and meets the constraints."""
    objectives = objectives_of(study)
    return best_of(ranked(complete_trials(study), objectives), objectives)


def best_unfinished(
    trials: Iterable["FrozenTrial"], objectives: Objectives, best: "FrozenTrial | None"
) -> "tuple[FrozenTrial, Result] | None":
    """Return the best trial that is paused, or goes on after a pause, and its result so far.

    Args:
        trials: The trials; others are passed over.
        objectives: Which of two trials is better.
        best: The complete trial that wins; None if there is none.

    Returns:
        None if no trial is better than every complete one: by the first objective, and without a
        broken constraint.
    """
    found, value = None, value_of(best) if best else None
    for trial in trials:
        result = _result_so_far(trial, objectives)
        if (
            result
            and objectives.first.is_better(result.value, value)
            and objectives.is_feasible(values_of(trial, objectives))
        ):
            found, value = (trial, result), result.value
    return found


def _result_so_far(trial: "FrozenTrial", objectives: Objectives) -> Result | None:
    """Return the result of a paused trial, or that of the epochs of a trial that goes on."""
    reported, objective = trial.intermediate_values, objectives.first
    # Constraints, and other objectives, are measured when a slice ends.
    if not is_resumed(trial) or not objectives.is_plain or not reported:
        return paused_result(trial)
    best = min(reported, key=lambda epoch: objective.sort_key(reported[epoch]))
    return Result(State.PAUSED, reported[best], best_epoch=best)
