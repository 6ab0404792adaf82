"""The summary that a sweep prints at its end."""

import os
import shlex
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rnnexp.formatting import format_column, format_value, whole
from rnnexp.objectives import Objectives, winning_rule
from rnnexp.passwords import concealed_override, to_type
from rnnexp.result import State
from rnnexp.search.quoting import as_value, for_shell
from rnnexp.search.space import short_key
from rnnexp.sweep.outcome import BestTrial, FrontTrial, SweepOutcome

FRONT = 12  # trials of the front that are shown
MORE_SECONDS = 600  # of the command that lets paused trials go on


def print_summary(outcome: SweepOutcome) -> None:
    """Print what a sweep has found, and the commands for the next steps."""
    console = Console()

    def block(title: str, line: str) -> None:
        console.print(title, style="bold", markup=False, soft_wrap=True)
        console.print(f"  {line}", markup=False, soft_wrap=True)

    shown = [state for state in State if state != State.PAUSED or outcome.counts[state]]
    counts = ", ".join(f"{outcome.counts[state]} {state.lower()}" for state in shown)
    console.print(Text.assemble("\nStudy ", (outcome.study, "bold"), f": {counts}"), soft_wrap=True)
    if outcome.stopped:
        console.print(f"Stopped: {outcome.stopped}.", markup=False)
    if outcome.is_interrupted:
        block("\nResume the study:", f"{_resume_command(outcome.study)}\n")
    if best := outcome.best:
        console.print(_table(best, outcome))
        _print_front(console, outcome)
        for sentence in outcome.findings:
            console.print(sentence.replace("`", ""), markup=False, highlight=False, soft_wrap=True)
        block("\nTrain with the best params again:", _train_command(best))
    if outcome.report:
        block("Report with plots and all trials:", os.path.relpath(outcome.report))
    if "evaluate" in outcome.failed_steps:
        block("The best trial was not evaluated. To do it later:", _resume_command(outcome.study))
    for title, line in outcome.published:
        block(title, line)
    if outcome.failed_steps and not outcome.is_interrupted:
        steps = ", ".join(f"{step} ({error})" for step, error in outcome.failed_steps.items())
        block(f"Not done: {steps}. To do it later:", _resume_command(outcome.study))
    if outcome.is_finished and outcome.n_trials:
        more = 2 * outcome.n_trials
        command = _resume_command(outcome.study, n_trials=more)
        block(f"Go on with this study, up to {more} trials:", command)
    if outcome.paused and not outcome.error:
        command = _resume_command(outcome.study, timeout=MORE_SECONDS)
        minutes = MORE_SECONDS // 60
        block(f"Let the {outcome.paused} paused trials go on for {minutes} minutes:", command)
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


def _resume_command(study: str, **limits: int) -> str:
    """Return the command that resumes a study, in which later overrides win over earlier ones."""
    wanted = {"hydra.sweeper.resume": as_value(study)}
    wanted |= {f"hydra.sweeper.{name}": str(limit) for name, limit in limits.items()}
    kept = [concealed_override(text) for text in sys.argv if text.partition("=")[0] not in wanted]
    return _command([*kept, *(f"{key}={value}" for key, value in wanted.items())])


def _train_command(best: BestTrial) -> str:
    return _command([sys.argv[0], *map(concealed_override, best.overrides)])


def _command(arguments: Sequence[str]) -> str:
    return " ".join(["python", *map(for_shell, arguments)])


def _print_front(console: Console, outcome: SweepOutcome) -> None:
    if outcome.front and outcome.objectives:
        console.print(_front_table(outcome.front, outcome.objectives))
        rule = winning_rule(outcome.objectives)
        text = f"{rule[0].upper()}{rule[1:]}."
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def _front_table(front: Sequence[FrontTrial], objectives: Objectives) -> Table:
    """Return the Pareto front as a table, the winner first."""
    table = Table(title="Pareto front", title_justify="left")
    table.add_column("trial", justify="right")
    for each in objectives.all:
        table.add_column(Text(each.monitor), justify="right")
    known = dict.fromkeys(key for trial in front for key in trial.params)
    keys = [key for key in known if len({t.params.get(key) for t in front}) > 1]
    for key in keys:
        table.add_column(Text(short_key(key)))
    shown = front[:FRONT]
    columns = [
        format_column([whole(t.values[n]) for t in shown]) for n in range(len(objectives.all))
    ]
    for n, trial in enumerate(shown):
        values = [column[n] for column in columns]
        table.add_row(str(trial.number), *values, *(Text(trial.params.get(k, "")) for k in keys))
    if len(front) > FRONT:
        table.caption = f"and {len(front) - FRONT} more, in the report"
    return table


def _table(best: BestTrial, outcome: SweepOutcome) -> Table:
    table = Table(title=f"Best trial: {best.number}", title_justify="left", show_header=False)
    for key, text in best.params.items():
        table.add_row(Text(key), Text(text))  # not markup: [a,b] would be a style
    table.add_section()
    at = "" if best.epoch is None else f" at epoch {best.epoch}"
    spread = "" if best.std is None else f" ± {best.std:.2g}"
    table.add_row("best value", f"{best.value:.4f}{spread}{at}")
    for name, measure in best.measures.items():
        table.add_row(Text(name), format_value(whole(measure)))
    for name, score in outcome.scores.items():
        table.add_row(Text(f"test {name}"), f"{score:.4f}")
    table.add_row("MLflow run", best.run_id or "none")
    return table
