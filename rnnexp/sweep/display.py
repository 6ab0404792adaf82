"""What a sweep shows while it runs: one live picture on a terminal, else a line a trial."""

import logging
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Protocol, Self

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from rnnexp.formatting import format_seconds
from rnnexp.result import Result
from rnnexp.search.space import short_name
from rnnexp.storage.optuna_store import best_epoch, best_trial, results
from rnnexp.sweep import summary
from rnnexp.sweep.budget import Budget

log = logging.getLogger(__name__)

REFRESH = 0.5  # seconds


class Display(Protocol):
    """Shows a sweep; a context manager, for as long as trials run."""

    every: float | None
    """Seconds after which `show` wants to be called again; None if never."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def show(self) -> None:
        """Show how the study stands now."""

    def ended(self, number: int, result: Result) -> None:
        """A trial has ended."""


def display_of(study: optuna.Study, budget: Budget) -> Display:
    """A live display if the output is a terminal, else lines in the log."""
    console = Console(file=sys.stdout)  # this very stream: a trial in this process redirects it
    return LiveDisplay(study, budget, console) if console.is_terminal else Lines(study)


class Lines:
    """A line of the log for every trial that ends."""

    every: float | None = None

    def __init__(self, study: optuna.Study) -> None:
        self._study = study

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to end."""

    def show(self) -> None:
        """Nothing to show between trials."""

    def ended(self, number: int, result: Result) -> None:
        """Tell how it ended."""
        log.info(summary.trial_line(self._study, number, result))


class LiveDisplay:
    """Trials that run and have ended, the best of them, and the time left, drawn in place.

    Args:
        study: The study that is shown.
        budget: What it may spend.
        console: The terminal.
    """

    every: float | None = REFRESH

    def __init__(self, study: optuna.Study, budget: Budget, console: Console) -> None:
        self._study = study
        self._budget = budget
        self._began = time.monotonic()
        self._before = len(results(study))
        self._live = Live(console=console, auto_refresh=False)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._live)
        # Hydra's log has the stream of before; through the live display its lines stay above it.
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler) and not isinstance(
                handler, logging.FileHandler
            ):
                self._stack.callback(handler.setStream, handler.stream)
                handler.setStream(sys.stdout)
        self.show()
        return self

    def __exit__(self, *error: Any) -> None:
        self.show()
        self._stack.__exit__(*error)

    def ended(self, number: int, result: Result) -> None:  # noqa: ARG002
        """Draw it again."""
        self.show()

    def show(self) -> None:
        """Draw the study as its storage has it."""
        seconds = time.monotonic() - self._began
        trials = self._study.get_trials(deepcopy=False)
        best = best_trial(self._study)
        picture = draw(trials, best, self._budget, seconds, self._before)
        self._live.update(picture, refresh=True)


def draw(
    trials: Sequence[FrozenTrial],
    best: FrozenTrial | None,
    budget: Budget,
    seconds: float,
    before: int = 0,
) -> RenderableType:
    """The picture of a study.

    Args:
        trials: All of its trials.
        best: The best of them.
        budget: What the study may spend.
        seconds: How long it has run.
        before: How many trials had ended before that.
    """
    states = [trial.state for trial in trials]
    complete, pruned, failed = (
        states.count(state) for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    )
    running = [trial for trial in trials if trial.state == TrialState.RUNNING]
    ended = complete + pruned + failed
    left = budget.seconds_left(ended, len(running), seconds, before)
    head = Table.grid(padding=(0, 2))
    head.add_row(
        ProgressBar(total=budget.n_trials, completed=ended, width=30, pulse=False)
        if budget.n_trials
        else "",
        f"{ended} of {budget.n_trials}" if budget.n_trials else f"{ended} trials",
        f"[green]{complete} complete[/]",
        f"[yellow]{pruned} pruned[/]",
        f"[red]{failed} failed[/]" if failed else "[dim]0 failed[/]",
        f"{format_seconds(seconds)}"
        + ("" if left is None else f", about {format_seconds(left)} left"),
    )
    rows = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("", "trial", "epoch", "value", "setting"):
        rows.add_column(title, justify="right" if title in ("trial", "epoch", "value") else "left")
    if best:
        rows.add_row("[bold]best[/]", *_cells(best, best_epoch(best)))
    for trial in running:
        rows.add_row("running", *_cells(trial, trial.last_step))
    return Group(head, rows)


def _cells(trial: FrozenTrial, epoch: int | None) -> tuple[str, str, str, str]:
    value = trial.value if trial.state.is_finished() else None
    if value is None and trial.last_step is not None:
        value = trial.intermediate_values[trial.last_step]
    return (
        str(trial.number),
        "" if epoch is None else str(epoch),
        "" if value is None else f"{value:.4f}",
        escape(short_name(trial.params)),
    )
