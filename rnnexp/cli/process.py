"""The process of a command that trains: where it finds modules, how it ends on Ctrl-C."""

import sys
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from rnnexp.storage.run_reader import RunReader


def import_from_working_directory() -> None:
    """Let a user's own modules be imported, as ``python sweep.py`` does."""
    if "" not in sys.path:
        sys.path.insert(0, "")


def reader_of(tracking_uri: str | None, *, trust: bool) -> "RunReader":
    """Open the store of runs; a user's own modules can be imported if configs are trusted.

    Args:
        tracking_uri: MLflow's store; None for MLflow's own choice.
        trust: Whether configs may name code that is not of rnnexp, Keras or Optuna.
    """
    from rnnexp.storage.run_reader import RunReader

    if trust:
        import_from_working_directory()
    return RunReader(tracking_uri, trust=trust)


def exit_interrupted(state: str) -> NoReturn:
    """Exit after Ctrl-C.

    Args:
        state: What the interruption has left, for the message.
    """
    click.echo(f"interrupted; {state}", err=True)
    sys.exit(130)  # the exit code that a shell gives to Ctrl-C
