"""Trials that ended on a full disk, and when each is tried again."""

from dataclasses import dataclass
from pathlib import Path

from rnnexp.full_disk import has_disk_space

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds between two attempts; a pause doubles each time
PATIENCE = 600.0  # seconds of pauses, without an epoch in between, after which a trial fails


@dataclass
class _Waiting:
    epochs: int
    paused: float = 0.0
    pause: float = FIRST_PAUSE
    due: float = 0.0
    path: Path = Path()


class DiskRetries:
    """Pauses between the attempts of trials that end on a full disk.

    The disk can be any: that of the trial's folder, of a checkpoint's, of the artifacts. Quotas and
    numbers of files run out as well, which can't all be asked for. So an attempt is the proof.

    Args:
        folder: The folder whose disk is looked at where an error names no file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._trials: dict[int, _Waiting] = {}
        self._waiting: set[int] = set()

    def __len__(self) -> int:
        """Return the number of trials that wait."""
        return len(self._waiting)

    def wait(self, number: int, path: str | None, epochs: int, now: float) -> float | None:
        """Let a trial wait for its next attempt.

        Args:
            number: The trial's number.
            path: The file that could not be written; None if it is not known.
            epochs: The number of epochs that the trial has reported.
            now: The time, in seconds.

        Returns:
            The seconds until the next attempt; None if the trial has waited for long enough.
        """
        state = self._trials.get(number)
        if state is None or epochs > state.epochs:
            state = self._trials[number] = _Waiting(epochs)
        if state.paused >= PATIENCE:
            return None
        pause, state.path = state.pause, Path(path) if path else self._folder
        state.due = now + pause
        state.paused += pause
        state.pause = min(2 * pause, LONGEST_PAUSE)
        self._waiting.add(number)
        return pause

    def due(self, now: float) -> list[int]:
        """Return the trials whose pause is over, which no longer wait.

        A trial whose disk is seen to be full waits on, as long as its patience lasts.

        Args:
            now: The time, in seconds.
        """
        due = [number for number in sorted(self._waiting) if self._is_due(number, now)]
        self._waiting -= set(due)
        return due

    def _is_due(self, number: int, now: float) -> bool:
        state = self._trials[number]
        if now < state.due:
            return False
        if state.paused >= PATIENCE or has_disk_space(state.path):
            return True
        state.paused += FIRST_PAUSE
        state.due = now + FIRST_PAUSE
        return False

    def clear(self) -> None:
        """Let no trial wait any longer."""
        self._waiting.clear()
