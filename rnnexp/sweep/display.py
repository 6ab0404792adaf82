"""Display of a running sweep: a live table on a terminal, else a log line for each trial."""

import logging
import os
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace

from optuna.trial import FrozenTrial
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rnnexp.formatting import format_seconds
from rnnexp.orders import Order, Orders
from rnnexp.result import Result, State
from rnnexp.search.space import short_name
from rnnexp.storage.ended_trials import EndedTrials
from rnnexp.storage.optuna_store import is_paused, is_resumed
from rnnexp.storage.schema import TrialAttrs
from rnnexp.storage.stored_orders import read_orders
from rnnexp.sweep.budget import Budget
from rnnexp.sweep.loop_callbacks import LoopCallback

log = logging.getLogger(__name__)

REFRESH = 0.5  # seconds


def display_of(trials: EndedTrials, budget: Budget) -> LoopCallback:
    """Return a live display if the output is a terminal, else a display of log lines."""
    console = Console(file=sys.stdout)  # this very stream: a trial in this process redirects it
    is_live = can_redraw(console, os.environ)
    return LiveDisplay(trials, budget, console) if is_live else LogDisplay(trials, budget)


def can_redraw(console: Console, environ: Mapping[str, str]) -> bool:
    """Return whether lines that were printed can be drawn again.

    A cell of a notebook can't: Jupyter and Colab run ``!python`` in a pseudo-terminal, but show its
    output as text, and set FORCE_COLOR, by which Rich takes a pipe for a terminal.

    Args:
        console: The console of the output.
        environ: The environment variables; kernels of Jupyter and Colab have ``JPY_PARENT_PID``.
    """
    is_terminal = console.is_interactive and console.file.isatty()
    return is_terminal and "JPY_PARENT_PID" not in environ


class LogDisplay(LoopCallback):
    """A log line for every trial that ends.

    Args:
        trials: The study's trials, which `ReadTrials` reads.
        budget: What the study may spend.
    """

    def __init__(self, trials: EndedTrials, budget: Budget) -> None:
        self._trials = trials
        self._budget = budget
        self._began = time.monotonic()
        self._before = len(self._trials.results)

    def on_trial_end(self, number: int, result: Result) -> None:
        """Log how the trial ended, the best trial so far, and how far the study is."""
        trials, seconds = self._trials, time.monotonic() - self._began
        budget = _ordered(self._budget, read_orders(trials.study))
        tried, left = _progress(trials, budget, seconds, self._before)
        of = f" of {budget.n_trials}" if budget.n_trials else ""
        about = "" if left is None else f", about {format_seconds(left)} left"
        log.info("%s; %s%s tried%s", trial_line(number, result, trials.leader), tried, of, about)


def trial_line(number: int, result: Result, best: tuple[FrozenTrial, Result] | None) -> str:
    """Return the log line of a trial that has ended, or was paused.

    Args:
        number: The trial's number.
        result: The trial's result.
        best: The best trial of the study, and its result; None if there is none.
    """
    line = f"trial {number} {result.state}"
    if result.state == State.COMPLETE:
        line += f": {result.value:.4f}"
        if result.best_epoch is not None:
            line += f" at epoch {result.best_epoch}"
    elif result.reason:
        line += f": {result.reason}"
    if best is None:
        return line
    trial, found = best
    return f"{line} (best: {found.value:.4f}, {_name_of(trial)})"


def _name_of(trial: FrozenTrial) -> str:
    """Return the name of a trial, with its state unless it has ended."""
    if trial.state.is_finished():
        return f"trial {trial.number}"
    return f"trial {trial.number}, {'paused' if is_paused(trial) else 'running'}"


class LiveDisplay(LoopCallback):
    """A live table of the running trials, the best trial and the time left.

    Args:
        trials: The study's trials, which the display reads as often as it draws.
        budget: What the study may spend.
        console: The terminal.
    """

    interval: float | None = REFRESH

    def __init__(self, trials: EndedTrials, budget: Budget, console: Console) -> None:
        self._trials = trials
        self._budget = budget
        self._began = time.monotonic()
        self._before = len(self._trials.results)
        self._live = Live(console=console, auto_refresh=False)
        self._stack = ExitStack()

    def on_start(self) -> None:
        """Begin to draw."""
        self._stack.enter_context(self._live)
        # Hydra's log handlers write to the old stream; the live display's keeps lines above it.
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler) and not isinstance(
                handler, logging.FileHandler
            ):
                self._stack.callback(handler.setStream, handler.stream)
                handler.setStream(sys.stdout)
        self.on_idle()

    def on_end(self) -> None:
        """Draw the last state, and leave it on the terminal."""
        with self._stack:
            self.on_idle()

    def on_trial_end(self, number: int, result: Result) -> None:  # noqa: ARG002
        """Draw the table again."""
        self.on_idle()

    def on_idle(self) -> None:
        """Draw the table with the study's stored trials."""
        seconds = time.monotonic() - self._began
        orders = read_orders(self._trials.study)
        budget = _ordered(self._budget, orders)
        table = draw(self._trials.read(), budget, seconds, self._before, orders.study)
        self._live.update(table, refresh=True)


def draw(
    trials: EndedTrials,
    budget: Budget,
    seconds: float,
    before: int = 0,
    order: Order | None = None,
) -> RenderableType:
    """Return the table of a study.

    Args:
        trials: The trials of the study.
        budget: What the study may spend.
        seconds: How long the sweep has run.
        before: The number of trials that had ended before this sweep.
        order: The order by which the study is paused, or stops; None if it goes on.
    """
    told = [Text(f"the study was {order}", style="magenta")] if order else []
    return Group(_head(trials, budget, seconds, before), *told, _rows(trials))


def _ordered(budget: Budget, orders: Orders) -> Budget:
    """Return the budget with the number of trials that a user has ordered since, if any."""
    return replace(budget, n_trials=orders.n_trials or budget.n_trials)


def _progress(
    trials: EndedTrials, budget: Budget, seconds: float, before: int
) -> tuple[int, float | None]:
    """Return how many trials were tried, which have ended or were paused, and the seconds left."""
    ended, running = len(trials.results), len(trials.running)
    tried = ended + trials.counts[State.PAUSED] + sum(map(is_resumed, trials.running))
    if tried != ended:  # nobody knows for how long paused trials will go on
        budget = replace(budget, n_trials=None)
    return tried, budget.seconds_left(ended, running, seconds, before)


def _head(trials: EndedTrials, budget: Budget, seconds: float, before: int) -> Table:
    """Return the line of totals."""
    complete, pruned, failed, paused = (trials.counts[state] for state in State)
    resumed = sum(map(is_resumed, trials.running))
    tried, left = _progress(trials, budget, seconds, before)
    head = Table.grid(padding=(0, 2))
    head.add_row(
        ProgressBar(total=budget.n_trials, completed=tried, width=30, pulse=False)
        if budget.n_trials
        else "",
        f"{tried} of {budget.n_trials} trials" if budget.n_trials else f"{tried} trials",
        f"[green]{complete} complete[/]",
        f"[yellow]{pruned} pruned[/]",
        f"[red]{failed} failed[/]" if failed else "[dim]0 failed[/]",
        *([f"[magenta]{paused} paused[/]"] if paused or resumed else []),
        format_seconds(seconds) + ("" if left is None else f", about {format_seconds(left)} left"),
    )
    return head


def _rows(trials: EndedTrials) -> Table:
    """Return a row for the best trial, complete or paused, and a row for each that runs.

    The hosts are shown where a trial runs on another machine than this one.
    """
    rows = Table(box=None, pad_edge=False, header_style="dim")
    others = {_host(trial) for trial in trials.running} - {"", socket.gethostname()}
    for title in ("", "trial", "epoch", "value", *(["host"] if others else []), "params"):
        rows.add_column(title, justify="left" if title in ("", "host", "params") else "right")

    def row(title: str, trial: FrozenTrial, epoch: int | None, value: float | None) -> None:
        numbers = "" if epoch is None else str(epoch), "" if value is None else f"{value:.4f}"
        host = [_host(trial).partition(".")[0]] if others else []
        params = Text(short_name(trial.params))
        rows.add_row(title, str(trial.number), *numbers, *host, params)

    if best := trials.leader:
        trial, result = best
        paused = ", [magenta]paused[/]" if is_paused(trial) else ""
        row(f"[bold]best[/]{paused}", trial, result.best_epoch, result.value)
    for trial in trials.running:
        epoch = trial.last_step
        value = None if epoch is None else trial.intermediate_values[epoch]
        row("resumed" if is_resumed(trial) else "running", trial, epoch, value)
    return rows


def _host(trial: FrozenTrial) -> str:
    return str(trial.user_attrs.get(TrialAttrs.HOST, ""))
