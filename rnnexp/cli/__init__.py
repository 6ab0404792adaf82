"""The command ``rnnexp``: reads and reuses what sweeps have stored, and steers running sweeps."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from rnnexp.errors import RnnexpError, one_line
from rnnexp.library_defaults import set_library_defaults


class LazyGroup(click.Group):
    """Commands whose modules are imported when a command is used, not for ``rnnexp --help``.

    Args:
        lazy_commands: For each command's name, ``module:attribute`` and the command's line in the
            help. The line is written here, since the command itself is not imported for it.
    """

    def __init__(
        self, *args: Any, lazy_commands: Mapping[str, tuple[str, str]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._places = {name: place for name, (place, _) in lazy_commands.items()}
        for name, (_, line) in lazy_commands.items():
            self.add_command(click.Command(name, short_help=line))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Import the command that the arguments name."""
        name, command, rest = super().resolve_command(ctx, args)
        if name in self._places:
            module, attribute = self._places[name].split(":")
            command = getattr(import_module(module), attribute)
        return name, command, rest

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; print this project's errors, and those of stores, without a traceback."""
        set_library_defaults()  # libraries read them when a command's module imports them
        try:
            return super().invoke(ctx)
        except RnnexpError as error:
            raise click.ClickException(str(error)) from error
        except (click.exceptions.Exit, click.Abort, click.ClickException):  # as after `--help`
            raise
        except Exception as error:
            from rnnexp.storage.store_problems import is_of_store

            if is_of_store(error):  # such as a server that went away while the command ran
                raise click.ClickException(f"a store failed: {one_line(error)}") from error
            raise


@click.group(
    cls=LazyGroup,
    lazy_commands={
        "studies": ("rnnexp.cli.studies:studies", "List the studies, newest first."),
        "compare": (
            "rnnexp.cli.compare:compare",
            "Rank the trials of a study, or show runs side by side.",
        ),
        "diff": ("rnnexp.cli.diff:diff", "Show only what differs between two runs."),
        "stop": ("rnnexp.cli.steer:stop", "Stop a running sweep, or one of its trials."),
        "pause": ("rnnexp.cli.steer:pause", "Pause a running sweep, or one of its trials."),
        "resume": ("rnnexp.cli.steer:resume", "Let a paused sweep, or a paused trial, go on."),
        "budget": ("rnnexp.cli.steer:budget", "Give a running sweep another number of trials."),
        "report": ("rnnexp.cli.report:report", "Write the report of a study again."),
        "replay": ("rnnexp.cli.replay:replay", "Train a run again and compare the results."),
        "continue": (
            "rnnexp.cli.continue_run:continue_run",
            "Train a run for more epochs, from its best epoch on.",
        ),
        "confirm": (
            "rnnexp.cli.confirm:confirm",
            "Train the best trials of a study again with new seeds.",
        ),
        "evaluate": (
            "rnnexp.cli.evaluate:evaluate",
            "Evaluate the model of a run on its test part, or on a file.",
        ),
        "predict": ("rnnexp.cli.predict:predict", "Predict for the texts in a file."),
        "export": ("rnnexp.cli.export:export", "Write the model of a run into a folder."),
        "publish": ("rnnexp.cli.publish:publish", "Register the best model of a study."),
        "rename": ("rnnexp.cli.rename:rename", "Rename a study."),
        "delete": ("rnnexp.cli.delete:delete", "Delete a study, or the run of a single training."),
        "check": (
            "rnnexp.cli.check:check",
            "Check that Optuna, MLflow and the files of a study agree.",
        ),
        "deliver": (
            "rnnexp.cli.deliver:deliver",
            "Deliver the writes that were queued for MLflow.",
        ),
    },
)
def main() -> None:
    """Read, compare and reuse what sweeps have stored, and steer sweeps that run."""
