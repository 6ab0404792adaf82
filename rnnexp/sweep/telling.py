"""Telling Optuna the result of a trial, which ends the trial."""

from pathlib import Path

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from rnnexp.result import Result, State
from rnnexp.storage.optuna_store import set_trial_attr, stored_trial
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
    trial = stored_trial(study, storage, number)
    if trial.state.is_finished():
        return trial  # Optuna was told before, but its answer was lost with the connection
    if TrialAttrs.RESULT not in trial.user_attrs:  # the job broke before it could store it
        set_trial_attr(study, storage, number, TrialAttrs.RESULT, result.to_json())
    # Optuna itself takes a pruned trial's last reported value, and accepts no other.
    value = result.value if result.state == State.COMPLETE else None
    study.tell(number, value, state=TrialState[result.state])
    return trial
