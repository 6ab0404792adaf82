"""Heartbeat of a sweep: which sweeps of a study are alive, and which trials are stale.

Optuna's heartbeat covers the trials of its own `optimize` only. A sweep writes its machine, its
process and the time to the study every few seconds; a trial has the id of the sweep that runs it.
Another sweep may take over a stale trial: one that is running, but whose sweep is dead.
"""

import logging
import os
import threading
import uuid
from collections.abc import Iterable
from typing import Any, Self

import optuna
import psutil
from optuna.trial import FrozenTrial, TrialState

from rnnexp.errors import one_line
from rnnexp.machine import this_machine
from rnnexp.storage.database_clock import now
from rnnexp.storage.optuna_store import is_paused
from rnnexp.storage.retry import is_transient, retry_transient
from rnnexp.storage.schema import StudyAttrs, TrialAttrs

log = logging.getLogger(__name__)

INTERVAL = 10.0  # seconds between two heartbeats
GRACE_PERIOD = 60.0  # seconds without one, after which a sweep on another machine counts as dead


class Heartbeat:
    """The heartbeat of this sweep; a context manager for as long as the sweep is alive.

    Args:
        study: The study that the sweep works on.

    Attributes:
        sweep_id: The sweep's id, with which it signs trials.
    """

    def __init__(self, study: optuna.Study) -> None:
        self.sweep_id = uuid.uuid4().hex[:12]
        self._study = study
        self._evaluates: int | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, daemon=True)

    def __enter__(self) -> Self:
        retry_transient(self._write)(is_alive=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()
        self._try_to_write(is_alive=False)  # the process may live on

    def is_alone(self) -> bool:
        """Return whether no other sweep works on the study."""
        return live_sweeps(self._study) <= {self.sweep_id}

    def evaluates(self, number: int | None) -> None:
        """Let the other sweeps know that this sweep evaluates a trial, so its checkpoint stays.

        Args:
            number: The trial's number; None when the trial has been evaluated.
        """
        self._evaluates = number
        retry_transient(self._write)(is_alive=True)

    def _beat_on(self) -> None:
        while not self._end.wait(INTERVAL):
            self._try_to_write(is_alive=True)

    def _try_to_write(self, *, is_alive: bool) -> None:
        try:
            self._write(is_alive=is_alive)
        except Exception as error:
            if not is_transient(error):
                raise
            # The next heartbeat may succeed.
            log.warning("a heartbeat was not written: %s", one_line(error.__cause__ or error))

    def _write(self, *, is_alive: bool) -> None:
        own = {"time": now(self._study), "evaluates": self._evaluates}
        beat = _this_process() | own if is_alive else None
        self._study.set_user_attr(f"{StudyAttrs.HEARTBEAT}{self.sweep_id}", beat)


def is_alive(beat: dict[str, Any] | None, clock: float) -> bool:
    """Return whether a sweep is alive, by its last heartbeat.

    Args:
        beat: The last heartbeat; None if there is none, or if the sweep has ended.
        clock: The time, in seconds since the epoch; see `rnnexp.storage.database_clock`.
    """
    if beat is None:
        return False
    if _is_of_this_machine(beat):
        return bool(beat["started"] == _start_time(beat["pid"]))
    return bool(clock - beat["time"] < GRACE_PERIOD)


def live_sweeps(study: optuna.Study) -> set[str]:
    """Return the ids of the sweeps that work on a study."""
    return set(_live_beats(study))


def other_machines(study: optuna.Study) -> set[str]:
    """Return the names of the other machines on which sweeps work on a study."""
    beats = _live_beats(study).values()
    return {str(beat["host"]) for beat in beats if not _is_of_this_machine(beat)}


def evaluated_trials(study: optuna.Study) -> set[int]:
    """Return the numbers of the trials that sweeps are evaluating."""
    numbers = (beat.get("evaluates") for beat in _live_beats(study).values())
    return {number for number in numbers if number is not None}


def _live_beats(study: optuna.Study) -> dict[str, dict[str, Any]]:
    clock, prefix = now(study), StudyAttrs.HEARTBEAT
    return {
        key.removeprefix(prefix): beat
        for key, beat in study.user_attrs.items()
        if key.startswith(prefix) and is_alive(beat, clock)
    }


def stale_trials(study: optuna.Study, running: Iterable[FrozenTrial] | None = None) -> list[int]:
    """Return the numbers of the trials that are running, not paused, but whose sweep is dead.

    Args:
        study: The study.
        running: The study's running trials; None to read them.
    """
    if running is None:
        running = study.get_trials(deepcopy=False, states=[TrialState.RUNNING])
    alive = live_sweeps(study)
    return [
        trial.number
        for trial in running
        if trial.user_attrs.get(TrialAttrs.SWEEP) not in alive and not is_paused(trial)
    ]


def _is_of_this_machine(beat: dict[str, Any]) -> bool:
    return (beat["host"], beat["boot"]) == this_machine()


def _this_process() -> dict[str, Any]:
    host, boot = this_machine()
    return {
        "host": host,
        "boot": boot,
        "pid": os.getpid(),
        "started": _start_time(os.getpid()),
    }


def _start_time(pid: int) -> float | None:
    """Return when a process of this machine began, which distinguishes it from a later process.

    Returns:
        Seconds since the epoch; None if the process has ended.
    """
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None
