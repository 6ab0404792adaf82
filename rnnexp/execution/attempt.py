"""The attempt that runs a trial: the last that has begun, which an earlier one has to notice.

A machine that is cut off from the others goes on with its trial, while another attempt of the trial
begins elsewhere. When the machine is back, the earlier attempt must write nothing any more: each
write asks first, by an id that every attempt stores with the trial when the attempt begins, which
is known as a fencing token.
"""

import uuid

import optuna

from rnnexp.storage.optuna_store import stored_attr
from rnnexp.storage.retry import retry_transient
from rnnexp.storage.schema import TrialAttrs
from rnnexp.storage.uris import sqlite_file
from rnnexp.storage.write_guard import SupersededError


class Attempt:
    """One attempt of a trial, which supersedes those that began before.

    Args:
        trial: The trial.
    """

    def __init__(self, trial: optuna.trial.Trial) -> None:
        self._trial = trial
        self._id = uuid.uuid4().hex[:12]
        retry_transient(trial.set_user_attr)(TrialAttrs.JOB, self._id)

    def check(self) -> None:
        """Let this attempt go on if no other has begun.

        Raises:
            SupersededError: If another attempt of the trial has begun.
        """
        if retry_transient(stored_attr)(self._trial, TrialAttrs.JOB) != self._id:
            raise SupersededError(f"another attempt of trial {self._trial.number} has begun")


def begin_attempt(trial: optuna.trial.Trial, storage: str) -> Attempt | None:
    """Begin an attempt of a trial.

    Args:
        trial: The trial.
        storage: The URL of the study's storage.

    Returns:
        The attempt; None if the study is in a file of SQLite, so that all attempts are on one
        machine, where the lock of the trial's folder lets one at a time begin.
    """
    return None if sqlite_file(storage) else Attempt(trial)
