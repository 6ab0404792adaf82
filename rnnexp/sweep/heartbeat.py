"""Whose trial is it? The sweep that runs a trial signs it, and shows that it is alive.

Optuna's heartbeat covers trials of its own `optimize` only. A sweep writes who it is (machine,
process) and the time, every few seconds, to the study; a trial has the sweep's id. A trial
whose sweep is dead may be taken up by another.
"""

import logging
import os
import socket
import threading
import time
import uuid
from typing import Any

import optuna
import psutil

from rnnexp.errors import one_line
from rnnexp.storage.retry import is_transient, retry_transient

log = logging.getLogger(__name__)

EVERY = 10.0  # seconds between two signs of life
SILENCE = 60.0  # so long without one, a sweep on another machine is taken for dead
from rnnexp.storage.schema import StudyAttrs, TrialAttrs

OWNER = TrialAttrs.SWEEP
SWEEP = StudyAttrs.HEARTBEAT


class Owner:
    """This sweep, as others see it; a context manager for as long as it lives.

    Args:
        study: The study that it works on.
    """

    def __init__(self, study: optuna.Study) -> None:
        self.id = uuid.uuid4().hex[:12]
        self._study = study
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)

    def __enter__(self) -> "Owner":
        retry_transient(self._sign)(alive=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()
        self._try_to_sign(alive=False)  # its process may live on

    def is_alone(self) -> bool:
        """Whether no other sweep works on the study."""
        return sweeps_alive(self._study) <= {self.id}

    def _live(self) -> None:
        while not self._end.wait(EVERY):
            self._try_to_sign(alive=True)

    def _try_to_sign(self, *, alive: bool) -> None:
        try:
            self._sign(alive=alive)
        except Exception as error:
            if not is_transient(error):
                raise
            # The next one may get through.
            log.warning("no sign of life was written: %s", one_line(error.__cause__ or error))

    def _sign(self, *, alive: bool) -> None:
        sign = _me() | {"time": time.time()} if alive else None
        self._study.set_user_attr(SWEEP + self.id, sign)


def is_alive(sign: dict[str, Any] | None, now: float) -> bool:
    """Whether a sweep is alive, by what it last wrote.

    Args:
        sign: What it wrote; None if it wrote nothing, or that it has ended.
        now: Seconds since the epoch.
    """
    if sign is None:
        return False
    me = _me()
    if (sign["host"], sign["boot"]) == (me["host"], me["boot"]):
        return bool(sign["started"] == _started(sign["pid"]))
    return bool(now - sign["time"] < SILENCE)


def sweeps_alive(study: optuna.Study) -> set[str]:
    """Ids of the sweeps that work on a study."""
    now = time.time()
    return {
        key.removeprefix(SWEEP)
        for key, sign in study.user_attrs.items()
        if key.startswith(SWEEP) and is_alive(sign, now)
    }


def stale_trials(study: optuna.Study) -> list[int]:
    """Numbers of the trials that are running, but whose sweep is dead."""
    alive = sweeps_alive(study)
    return [
        trial.number
        for trial in study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING])
        if trial.user_attrs.get(OWNER) not in alive
    ]


def _me() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "boot": psutil.boot_time(),
        "pid": os.getpid(),
        "started": _started(os.getpid()),
    }


def _started(pid: int) -> float | None:
    """When a process of this machine began, which tells it from a later one; None if it ended."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None
