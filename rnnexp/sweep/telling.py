"""Telling Optuna the result of a trial, which ends the trial."""

from collections.abc import Mapping
from copy import copy
from pathlib import Path

import optuna
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from rnnexp.result import Result, State
from rnnexp.storage.optuna_store import (
    objectives_of,
    open_trial,
    set_trial_attr,
    stored_trial,
)
from rnnexp.storage.retry import retry_transient
from rnnexp.storage.schema import Files, TrialAttrs
from rnnexp.storage.trial_folder import folder_of


def tell(
    study: optuna.Study,
    storage: BaseStorage,
    folder: Path,
    number: int,
    result: Result,
    *,
    keep_backup: bool = False,
) -> None:
    """Store the result of a trial, and remove the trial's backup.

    Args:
        study: The study.
        storage: The study's storage.
        folder: Hydra's folder of the sweep.
        number: The trial's number.
        result: The result: complete, pruned or failed.
        keep_backup: Whether the backup stays, since a resume may let the trial go on.
    """
    trial = _tell(study, storage, number, result)
    if not keep_backup:
        (folder_of(trial, folder) / Files.BACKUP).unlink(missing_ok=True)


@retry_transient
def _tell(study: optuna.Study, storage: BaseStorage, number: int, result: Result) -> FrozenTrial:
    """Tell Optuna a trial's result.

    Returns:
        The trial as it was before.
    """
    trial, objectives = stored_trial(study, storage, number), objectives_of(study)
    if trial.state.is_finished():
        return trial  # Optuna was told before, but its answer was lost with the connection
    if TrialAttrs.RESULT not in trial.user_attrs:  # the job broke before it could store it
        set_trial_attr(study, storage, number, TrialAttrs.RESULT, result.to_json())
    values = objectives.named(result.value, result.measures)
    if objectives.constraints and result.state != State.FAIL:
        _tell_constraints(study, storage, number, objectives.violations(values))
    # Optuna itself takes a pruned trial's last reported value, and accepts no other.
    told = None
    if result.state == State.COMPLETE:
        told = [values[each.monitor] for each in objectives.all]
    study.tell(number, told, state=TrialState[result.state])
    return trial


def _tell_constraints(
    study: optuna.Study, storage: BaseStorage, number: int, violations: Mapping[str, float]
) -> None:
    """Store how a trial breaks the constraints, from which Optuna's samplers learn."""
    without_draws = copy(study)  # an opened trial lets the sampler of its study draw once more
    without_draws.sampler = RandomSampler()
    running = open_trial(without_draws, storage, number)
    for text, violation in violations.items():
        if text not in running.constraints:  # an earlier answer may have been lost
            running.set_constraint(text, violation)
