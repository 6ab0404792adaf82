"""Reopening of a study: the trials that were paused when it ended are paused again."""

import os
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState, create_trial

from rnnexp.result import State
from rnnexp.storage.optuna_store import reopenable
from rnnexp.storage.retry import retry_transient
from rnnexp.storage.schema import TrialAttrs
from rnnexp.storage.trial_folder import folder_of
from rnnexp.sweep.paused_trials import PausedTrials, end_run


def reopen(paused: PausedTrials) -> None:
    """Pause the trials again that were paused when their study ended, for a resume.

    Optuna changes no trial that has ended. So a new trial, with the same params, values, run and
    folder, goes on in the place of the old one.

    Args:
        paused: The paused trials of the study.
    """
    study, folder = paused.study, paused.folder
    folder.mkdir(parents=True, exist_ok=True)  # its sweep may have died early
    with paused.lock.held():
        for old in left_paused(paused):
            retry_transient(study.add_trial)(_again(old, folder))
        for trial in paused.trials.read().paused:
            end_run(paused, trial, State.PAUSED, trial.user_attrs[TrialAttrs.PAUSED]["reason"])


def left_paused(paused: PausedTrials) -> list[FrozenTrial]:
    """Return the trials that were paused when their study ended, and may go on with a resume.

    Args:
        paused: The paused trials of the study.
    """
    found = reopenable(retry_transient(paused.study.get_trials)(deepcopy=False))
    return [trial for trial in found if paused.is_inside(trial)]


def _again(old: FrozenTrial, folder: Path) -> FrozenTrial:
    attrs = {name: value for name, value in old.user_attrs.items() if name != TrialAttrs.RESULT}
    return create_trial(
        state=TrialState.RUNNING,
        params=old.params,
        distributions=old.distributions,
        intermediate_values=old.intermediate_values,
        user_attrs=attrs
        | {
            TrialAttrs.REOPENS: [*attrs.get(TrialAttrs.REOPENS, []), old.number],
            TrialAttrs.FOLDER: os.path.relpath(folder_of(old, folder), folder),
        },
    )
