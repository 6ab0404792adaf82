"""The errors that a user can cause.

RnnexpError
├── ConfigError      the input can't work; lists every problem found
│   └── DataError    the data can't be read or encoded
├── SweepError       the sweep ran, but no trial of it can be used
├── NotFoundError    a study, a run or a part of one does not exist, or its name is ambiguous
├── StoreError       a store can't be read
├── UntrustedError   a stored config names code that nobody has said to trust
├── SchemaError      a study or a run was stored with another schema version
└── QueryError       a question about runs can't be answered, such as an unreadable filter

All of them are Hydra's ``CompactHydraException``, so that Hydra prints their message without a
traceback and exits with code 1. `message_alone` leaves out the lines that Hydra prints around it.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hydra.errors import CompactHydraException

from rnnexp.passwords import without_password

_STATEMENT = "\n[SQL: "  # and its parameters, which SQLAlchemy adds
_CHAINED = ", set env var HYDRA_FULL_ERROR=1 to see chained exception."  # in messages of Hydra


class RnnexpError(CompactHydraException):
    """Base of this project's errors; no message has the password of a URL in it."""

    def __init__(self, message: str = "") -> None:
        super().__init__(without_password(message))


class ConfigError(RnnexpError):
    """Input that can't work, found before any work began.

    Args:
        problems: One message per problem: what was given, why it can't work, what would work.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        n = len(self.problems)
        lines = [f"{n} problem{'' if n == 1 else 's'} in the input, nothing was started:"]
        lines += [f"  {number}. {text}" for number, text in enumerate(self.problems, start=1)]
        super().__init__("\n".join(lines))


class DataError(ConfigError):
    """Data that can't be read or encoded."""


class SweepError(RnnexpError):
    """A sweep that ended without a usable trial, or that its failures stopped."""


class NotFoundError(RnnexpError):
    """A study, a run or a part of one that does not exist, or whose name is ambiguous."""


class StoreError(RnnexpError):
    """A store that can't be read, such as a server that refuses this user."""


class UntrustedError(RnnexpError):
    """A run's config that would run code of others, read this machine, or write anywhere.

    Args:
        run_id: The run.
        found: What the config names, with the keys.
    """

    def __init__(self, run_id: str, found: Sequence[str]) -> None:
        super().__init__(
            f"run {run_id[:8]}: its config has more in it than rnnexp, Keras and Optuna: "
            f"{'; '.join(found)}; give --trust if you trust whoever made the run, since a training "
            "or an export runs that code"
        )


class SchemaError(RnnexpError):
    """A study or a run that was stored with another schema version."""


class QueryError(RnnexpError):
    """A question about runs that can't be answered, such as an unreadable filter."""


@contextmanager
def message_alone() -> Iterator[None]:
    """End the process on one of these errors, with its message alone and exit code 1.

    Hydra would print "Error executing job with overrides" and "Set the environment variable
    HYDRA_FULL_ERROR=1" around the message. With that variable, the error is raised as it is.
    """
    try:
        yield
    except RnnexpError as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from error


def one_line(error: BaseException) -> str:
    """Return an error's message on one line, for a list of problems, without passwords of URLs."""
    text = str(error).partition(_STATEMENT)[0].replace(_CHAINED, "")
    return without_password(" ".join(text.split()))
