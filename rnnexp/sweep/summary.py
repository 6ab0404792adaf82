"""What a study has found so far, for people: log lines, the study's run, the summary."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import optuna
from omegaconf import OmegaConf
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rnnexp.result import Result, State
from rnnexp.search.space import Space
from rnnexp.storage.optuna_store import best_epoch, best_trial
from rnnexp.storage.schema import Files, Metrics, TrialAttrs


def progress(study: optuna.Study) -> dict[str, float]:
    """Metrics of the study's run: trials by state, and the best of them."""
    states = [trial.state for trial in study.get_trials(deepcopy=False)]
    metrics: dict[str, float] = {
        f"{Metrics.TRIALS}{state.name.lower()}": states.count(state)
        for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    }
    if (best := best_trial(study)) and best.value is not None:
        metrics |= {Metrics.BEST_VALUE: best.value, Metrics.BEST_TRIAL: best.number}
    return metrics


def trial_line(study: optuna.Study, number: int, result: Result) -> str:
    """One line on a trial that has ended."""
    what = f"trial {number} {result.state}"
    if result.state == State.COMPLETE:
        what += f": {result.value:.4f}"
        if result.best_epoch is not None:
            what += f" at epoch {result.best_epoch}"
    elif result.reason:
        what += f": {result.reason}"
    if best := best_trial(study):
        what += f" (best: {best.value:.4f}, trial {best.number})"
    return what


def write_results(best: FrozenTrial, space: Space, folder: Path) -> None:
    """Write ``optimization_results.yaml``, in the form of Hydra's own Optuna sweeper."""
    results = {"name": "optuna", "best_params": space.exact(best.params), "best_value": best.value}
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(OmegaConf.create(results), folder / Files.RESULTS)


def print_summary(
    study: optuna.Study,
    space: Space,
    scores: dict[str, float],
    *,
    command: Sequence[str],
    published: Sequence[tuple[str, str]],
    stopped: str,
    is_unfinished: bool,
    page: Path | None,
    browse: str,
    storage: str,
) -> None:
    """Tell what the sweep found, and how to look further.

    Args:
        study: The study, at its end.
        space: What was searched.
        scores: The best trial's loss and metrics on the test part; may be empty.
        command: The best trial's overrides.
        published: What became of its model, each with a command.
        stopped: Why the study ended.
        is_unfinished: Whether it was broken off.
        page: The report; None if there is none.
        browse: How to look at the runs in MLflow.
        storage: Optuna's storage URL.
    """
    console = Console()
    counts = {name.removeprefix(Metrics.TRIALS): int(n) for name, n in progress(study).items()}
    ended = ", ".join(f"{counts[state]} {state}" for state in ("complete", "pruned", "fail"))
    console.print(f"\nStudy [bold]{escape(study.study_name)}[/]: {ended}")
    if stopped:
        console.print(f"It ended because {stopped}.", markup=False)
    if is_unfinished:
        resume = f"hydra.sweeper.resume={study.study_name}"
        line = shlex.join([*sys.argv, *([] if resume in sys.argv else [resume])])
        console.print("\nGo on with it:", style="bold")
        console.print(f"  python {line}\n", markup=False, soft_wrap=True)
    if best := best_trial(study):
        console.print(_best_table(best, space, scores))
        console.print("\nTrain the best setting again:", style="bold")
        line = shlex.join([sys.argv[0], *command])
        console.print(f"  python {line}", markup=False, soft_wrap=True)
    if page:
        console.print("Plots and all trials on a page:", style="bold")
        console.print(f"  {os.path.relpath(page)}", markup=False, soft_wrap=True)
    for what, line in published:
        console.print(what, style="bold", markup=False, soft_wrap=True)
        console.print(f"  {line}", markup=False, soft_wrap=True)
    console.print("Browse and compare the trials:", style="bold")
    console.print(f"  {browse}", markup=False, soft_wrap=True)
    console.print("The study in Optuna:", style="bold")
    optuna_command = ["optuna", "trials", "--storage", storage, "--study-name", study.study_name]
    console.print(f"  {shlex.join(optuna_command)} -f table", markup=False, soft_wrap=True)


def _best_table(best: FrozenTrial, space: Space, scores: dict[str, float]) -> Table:
    table = Table(title=f"Best trial: {best.number}", title_justify="left", show_header=False)
    for key, text in space.texts(best.params).items():
        table.add_row(key, text)
    table.add_section()
    epoch = best_epoch(best)
    table.add_row(
        "best value", f"{best.value:.4f}" + ("" if epoch is None else f" at epoch {epoch}")
    )
    for name, score in scores.items():
        table.add_row(f"test {name}", f"{score:.4f}")
    table.add_row("MLflow run", best.user_attrs.get(TrialAttrs.RUN_ID, "none"))
    return table
