"""Do Optuna, MLflow and the folders tell the same of a study? And what would mend it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import optuna
from mlflow.entities import Experiment, Run
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from optuna.trial import FrozenTrial, TrialState

from rnnexp.storage.outbox import deliver_all
from rnnexp.storage.schema import Artifacts, Files, Kind, Metrics, StudyAttrs, Tags, TrialAttrs
from rnnexp.sweep.heartbeat import stale_trials, sweeps_alive

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
    if StudyAttrs.FOLDER not in study.user_attrs:
        return [Difference("the study has no folder: its sweep died as it began")]
    return [*_of_study(study, client), *_of_trials(study, client)]


def _of_study(study: optuna.Study, client: MlflowClient) -> Iterator[Difference]:
    folder = Path(study.user_attrs[StudyAttrs.FOLDER])
    noted = study.user_attrs.get(StudyAttrs.RUN_ID)
    experiments = [client.get_run(noted)] if noted else client.search_experiments()
    # Name and folder may have quotes, which a query can't.
    for run in _search(client, experiments, f"tags.`{Tags.KIND}` = '{Kind.STUDY}'"):
        tags, run_id = run.data.tags, run.info.run_id
        if (tags.get(Tags.STUDY), tags.get(Tags.FOLDER)) != (study.study_name, str(folder)):
            continue
        if noted is None:
            noted = run_id
            yield Difference(
                f"the study's run {run_id} is not noted in Optuna",
                partial(study.set_user_attr, StudyAttrs.RUN_ID, run_id),
            )
        if run_id != noted:
            yield Difference(
                f"the study has a second run in MLflow, {run_id}",
                partial(client.delete_run, run_id),
            )
        elif run.info.status == "RUNNING" and not sweeps_alive(study):
            yield Difference(
                "no sweep of the study is alive, its run is RUNNING in MLflow",
                partial(client.set_terminated, run_id, "KILLED"),
            )
    if noted is None:
        yield Difference("the study has no run in MLflow: its sweep died as it began")
    if list(folder.glob("*" + Files.OUTBOX)) and not sweeps_alive(study):
        yield Difference("the study has writes that wait for MLflow", partial(deliver_all, folder))


def _of_trials(study: optuna.Study, client: MlflowClient) -> Iterator[Difference]:
    parent = study.user_attrs.get(StudyAttrs.RUN_ID)
    runs: dict[int, list[Run]] = {}
    if parent:
        query = f"tags.{MLFLOW_PARENT_RUN_ID} = '{parent}' and tags.`{Tags.KIND}` = '{Kind.TRIAL}'"
        for run in _search(client, [client.get_run(parent)], query):
            runs.setdefault(int(run.data.tags[Tags.TRIAL]), []).append(run)
    folder = Path(study.user_attrs[StudyAttrs.FOLDER])
    dead = set(stale_trials(study))
    for trial in study.get_trials(deepcopy=False):
        if trial.state != TrialState.WAITING:
            mine = runs.get(trial.number, [])
            yield from _of_trial(trial, mine, folder / str(trial.number), client, dead)


def _search(client: MlflowClient, of: Sequence[Run | Experiment], query: str) -> Iterator[Run]:
    experiments = [(one.info if isinstance(one, Run) else one).experiment_id for one in of]
    token: str | None = None
    while True:
        page = client.search_runs(experiments, query, max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


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
    # One that died may have had no time to note its run.
    mine = [
        run for run in runs if run.info.run_id == trial.user_attrs.get(TrialAttrs.RUN_ID)
    ] or runs[:1]
    for run in runs:
        if run not in mine:
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
    if (folder / Files.OUTBOX).exists():
        yield Difference(f"{name} has writes that wait for MLflow", partial(deliver_all, folder))
    if (folder / Files.BACKUP).exists():
        forget = partial((folder / Files.BACKUP).unlink, missing_ok=True)
        yield Difference(f"{name} has ended, but its backup is there", forget)


def _run(name: str, trial: FrozenTrial, run: Run, client: MlflowClient) -> Iterator[Difference]:
    run_id, expected = run.info.run_id, ENDS[trial.state]
    if run.info.status != expected:
        yield Difference(
            f"{name} is {trial.state.name} in Optuna, its run is {run.info.status} in MLflow",
            partial(client.set_terminated, run_id, expected),
        )
    if (state := run.data.tags.get(Tags.STATE)) != trial.state.name:
        yield Difference(
            f"{name} is {trial.state.name} in Optuna, its run's tag says {state}",
            partial(client.set_tag, run_id, Tags.STATE, trial.state.name),
        )
    saved = run.data.tags.get(Tags.CHECKPOINT)
    if saved and saved not in {
        item.path for item in client.list_artifacts(run_id, Artifacts.CHECKPOINT)
    }:
        yield Difference(
            f"{name} has no {saved} among its run's artifacts, which its tag names",
            partial(client.delete_tag, run_id, Tags.CHECKPOINT),
        )
    value = run.data.metrics.get(Metrics.BEST_VALUE)
    if trial.value is not None and trial.state == TrialState.COMPLETE and value != trial.value:
        yield Difference(
            f"{name} has the value {trial.value} in Optuna, {value} in MLflow",
            partial(client.log_metric, run_id, Metrics.BEST_VALUE, trial.value),
        )
