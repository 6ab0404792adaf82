"""The guard of a run's writes, which stops them once another attempt of the trial has begun."""

from collections.abc import Callable


class SupersededError(KeyboardInterrupt):
    """Another attempt runs the trial; this attempt ends as an interrupted one, and writes nothing.

    No Exception, so that no ``except`` of an application keeps the attempt alive.
    """


class WriteGuard:
    """Makes a check before each write of a run; nothing is written after one that has failed.

    Attributes:
        is_shut: Whether the check has failed, so that the run is another attempt's now.
    """

    def __init__(self) -> None:
        self.is_shut = False
        self._check: Callable[[], None] | None = None

    def begin(self, check: Callable[[], None]) -> None:
        """Make a check from now on.

        Args:
            check: Raises `SupersededError` if the run is another attempt's.
        """
        self._check = check

    def check(self) -> None:
        """Make the check, unless it has failed before, so that the job can end.

        Raises:
            SupersededError: If the run is another attempt's now.
        """
        if self._check is None or self.is_shut:
            return
        try:
            self._check()
        except SupersededError:
            self.is_shut = True
            raise
