"""The summary that a sweep prints at its end."""

import os
import shlex
import sys

from optuna.trial import TrialState
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rnnexp.passwords import concealed_override, to_type
from rnnexp.sweep.outcome import BestTrial, SweepOutcome


def print_summary(outcome: SweepOutcome) -> None:
    """Print what a sweep has found, and the commands for the next steps."""
    console = Console()

    def block(title: str, line: str) -> None:
        console.print(title, style="bold", markup=False, soft_wrap=True)
        console.print(f"  {line}", markup=False, soft_wrap=True)

    counts = ", ".join(
        f"{outcome.counts[state]} {state.name.lower()}"
        for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    )
    console.print(f"\nStudy [bold]{escape(outcome.study)}[/]: {counts}")
    if outcome.stopped:
        console.print(f"Stopped: {outcome.stopped}.", markup=False)
    if outcome.is_interrupted:
        block("\nResume the study:", f"python {_resume_command(outcome.study)}\n")
    if best := outcome.best:
        console.print(_table(best, outcome))
        block("\nTrain with the best params again:", _train_command(best))
    if outcome.report:
        block("Report with plots and all trials:", os.path.relpath(outcome.report))
    for title, line in outcome.published:
        block(title, line)
    block("Browse and compare the trials:", outcome.browse)
    optuna = [
        "optuna",
        "trials",
        "--storage",
        to_type(outcome.storage),
        "--study-name",
        outcome.study,
    ]
    block("The study in Optuna:", f"{shlex.join(optuna)} -f table")


def _resume_command(study: str) -> str:
    resume = f"hydra.sweeper.resume={study}"
    given = map(concealed_override, sys.argv)
    return shlex.join([*given, *([] if resume in sys.argv else [resume])])


def _train_command(best: BestTrial) -> str:
    return f"python {shlex.join([sys.argv[0], *map(concealed_override, best.overrides)])}"


def _table(best: BestTrial, outcome: SweepOutcome) -> Table:
    table = Table(title=f"Best trial: {best.number}", title_justify="left", show_header=False)
    for key, text in best.params.items():
        table.add_row(key, text)
    table.add_section()
    at = "" if best.epoch is None else f" at epoch {best.epoch}"
    table.add_row("best value", f"{best.value:.4f}{at}")
    for name, score in outcome.scores.items():
        table.add_row(f"test {name}", f"{score:.4f}")
    table.add_row("MLflow run", best.run_id or "none")
    return table
