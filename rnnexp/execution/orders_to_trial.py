"""The orders to a running trial, as its job reads them: after an epoch, and sparingly."""

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import optuna

PAUSE = 1.0  # seconds between two looks, so that a short epoch is no longer for it


class OrdersToTrial:
    """Reads which order a running trial has to obey.

    Args:
        trial: The trial.
        pause: The least seconds between two looks at the study.
    """

    def __init__(self, trial: "optuna.trial.Trial", pause: float = PAUSE) -> None:
        self._trial = trial
        self._pause = pause
        self._looked = -math.inf

    def reasons(self) -> tuple[str | None, str | None]:
        """Return why the trial ends, and why it pauses, as of now; see `Orders.reasons`."""
        # Imported here: outside of a sweep nothing is read.
        from rnnexp.storage.retry import retry_transient
        from rnnexp.storage.stored_orders import read_orders

        now = time.monotonic()
        if now - self._looked < self._pause:
            return None, None
        self._looked = now
        return retry_transient(read_orders)(self._trial.study).reasons(self._trial.number)
