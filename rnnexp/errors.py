"""The errors that a user can cause.

RnnexpError
├── ConfigError      what was asked for can't be done; lists every problem found
│   └── DataError    the data can't be read or encoded
├── SweepError      the sweep ran, but no trial of it can be used
├── NotFoundError   a study, a run or a part of it that isn't there, or isn't told apart
└── QueryError   a question on runs that has no answer, such as a filter that can't be read

All of them are Hydra's ``CompactHydraException``, so that Hydra prints their
message without a traceback and ends with exit code 1.
"""

from collections.abc import Sequence

from hydra.errors import CompactHydraException


class RnnexpError(CompactHydraException):
    """Base of this project's errors."""


class ConfigError(RnnexpError):
    """Input that can't work, found before any work began.

    Args:
        problems: One message per problem: what was given, why it can't be, what would do.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        lines = [f"{count} in the input, nothing was started:"]
        lines += [f"  {number}. {problem}" for number, problem in enumerate(self.problems, start=1)]
        super().__init__("\n".join(lines))


class DataError(ConfigError):
    """Data that can't be read or encoded."""


class SweepError(RnnexpError):
    """A sweep that ended without a usable trial, or was stopped by its failures."""


class NotFoundError(RnnexpError):
    """A study, a run or a part of one that isn't there, or that a name doesn't tell apart."""


class QueryError(RnnexpError):
    """A question on runs that has no answer, such as a filter that can't be read."""


def one_line(error: BaseException) -> str:
    """An error's message on one line, to stand in a list of problems."""
    return " ".join(str(error).split())
