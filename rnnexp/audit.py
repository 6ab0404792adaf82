"""Do Optuna, MLflow and the folders tell the same of a study? And what would mend it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import optuna
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from optuna.trial import FrozenTrial, TrialState

from rnnexp.current import RUN_ID
from rnnexp.discard import CHECKPOINT
from rnnexp.outbox import FILE as OUTBOX
from rnnexp.outbox import deliver_all
from rnnexp.owner import orphans
from rnnexp.resume import FOLDER
from rnnexp.task import BACKUP

ENDS = {
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "KILLED",
    TrialState.FAIL: "FAILED",
}


@dataclass(frozen=True)
class Difference:
    """One thing that doesn't fit.

    Attributes:
        text: What it is.
        repair: What mends it; None if only a person can, or a resume.
    """

    text: str
    repair: Callable[[], object] | None = None


def audit(study: optuna.Study, client: MlflowClient) -> list[Difference]:
    """Every difference; nothing is changed."""
    parent = study.user_attrs.get(RUN_ID)
    if parent is None:
        return [Difference("the study has no run in MLflow: its sweep died as it began")]
    experiment = client.get_run(parent).info.experiment_id
    runs = _runs_by_trial(client, experiment, study.study_name)
    folder = Path(study.user_attrs[FOLDER])
    dead = set(orphans(study))
    return [
        difference
        for trial in study.get_trials(deepcopy=False)
        if trial.state != TrialState.WAITING
        for difference in _of_trial(
            trial, runs.get(trial.number, []), folder / str(trial.number), client, dead
        )
    ]


def _runs_by_trial(client: MlflowClient, experiment: str, study: str) -> dict[int, list[Run]]:
    found: dict[int, list[Run]] = {}
    token: str | None = None
    while True:
        query = "tags.trial != ''"  # a study's name may have quotes, which a query can't
        page = client.search_runs([experiment], query, max_results=1000, page_token=token)
        for run in (run for run in page if run.data.tags.get("study") == study):
            found.setdefault(int(run.data.tags["trial"]), []).append(run)
        token = page.token
        if not token:
            return found


def _of_trial(
    trial: FrozenTrial, runs: Sequence[Run], folder: Path, client: MlflowClient, dead: set[int]
) -> Iterator[Difference]:
    name = f"trial {trial.number}"
    if trial.number in dead:
        yield Difference(f"{name} is running, but its sweep is dead: resume takes it up again")
        return
    if not trial.state.is_finished():
        return
    yield from _files(name, folder)
    mine = [run for run in runs if run.info.run_id == trial.user_attrs.get(RUN_ID)]
    for run in runs:
        if mine and run not in mine:
            yield Difference(
                f"{name} has a second run in MLflow, {run.info.run_id}",
                partial(client.delete_run, run.info.run_id),
            )
    if not mine:
        if trial.state != TrialState.FAIL:  # one that failed may never have begun
            yield Difference(f"{name} is {trial.state.name}, but has no run in MLflow")
        return
    yield from _run(name, trial, mine[0], client)


def _files(name: str, folder: Path) -> Iterator[Difference]:
    if (folder / OUTBOX).exists():
        yield Difference(f"{name} has writes that wait for MLflow", partial(deliver_all, folder))
    if (folder / BACKUP).exists():
        yield Difference(f"{name} has ended, but its backup is there", (folder / BACKUP).unlink)


def _run(name: str, trial: FrozenTrial, run: Run, client: MlflowClient) -> Iterator[Difference]:
    run_id, expected = run.info.run_id, ENDS[trial.state]
    if run.info.status != expected:
        yield Difference(
            f"{name} is {trial.state.name} in Optuna, its run is {run.info.status} in MLflow",
            partial(client.set_terminated, run_id, expected),
        )
    if (state := run.data.tags.get("state")) != trial.state.name:
        yield Difference(
            f"{name} is {trial.state.name} in Optuna, its run's tag says {state}",
            partial(client.set_tag, run_id, "state", trial.state.name),
        )
    saved = run.data.tags.get(CHECKPOINT)
    if saved and saved not in {item.path for item in client.list_artifacts(run_id, CHECKPOINT)}:
        yield Difference(
            f"{name} has no {saved} among its run's artifacts, which its tag names",
            partial(client.delete_tag, run_id, CHECKPOINT),
        )
    value = run.data.metrics.get("best_value")
    if trial.value is not None and trial.state == TrialState.COMPLETE and value != trial.value:
        yield Difference(
            f"{name} has the value {trial.value} in Optuna, {value} in MLflow",
            partial(client.log_metric, run_id, "best_value", trial.value),
        )
