"""The process of a command that trains: where it finds modules, how it ends on Ctrl-C."""

import sys
from typing import NoReturn

import click


def import_from_working_directory() -> None:
    """Let a user's own modules be imported, as ``python sweep.py`` does."""
    if "" not in sys.path:
        sys.path.insert(0, "")


def exit_interrupted(state: str) -> NoReturn:
    """Exit after Ctrl-C.

    Args:
        state: What the interruption has left, for the message.
    """
    click.echo(f"interrupted; {state}", err=True)
    sys.exit(130)  # the exit code that a shell gives to Ctrl-C
