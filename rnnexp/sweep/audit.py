"""Audit of a study: where Optuna, MLflow and the folders differ, and how to repair it."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import optuna
from mlflow.entities import Experiment, LifecycleStage, Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from optuna.trial import FrozenTrial

from rnnexp.result import State
from rnnexp.storage import backup_artifact
from rnnexp.storage.optuna_store import replaced, state_of, value_of
from rnnexp.storage.outbox import deliver_all
from rnnexp.storage.refused_writes import refused_files
from rnnexp.storage.schema import Artifacts, Files, Kind, Metrics, StudyAttrs, Tags, TrialAttrs
from rnnexp.storage.trial_folder import folder_of
from rnnexp.sweep.heartbeat import live_sweeps, stale_trials

STATUS = {
    State.COMPLETE: "FINISHED",
    State.PRUNED: "KILLED",
    State.FAIL: "FAILED",
    State.PAUSED: "SCHEDULED",
}


@dataclass(frozen=True)
class Difference:
    """One difference between the stores.

    Attributes:
        text: The difference, for people.
        repair: Repairs the difference; None if only a person or a resume can.
    """

    text: str
    repair: Callable[[], object] | None = None


def audit(study: optuna.Study, client: MlflowClient) -> list[Difference]:
    """Return every difference; nothing is changed.

    Args:
        study: The study in Optuna.
        client: MLflow's client of the store that has the study's runs.
    """
    if StudyAttrs.FOLDER not in study.user_attrs:
        return [Difference("the study has no folder: its sweep died early")]
    return [*_of_study(study, client), *_of_trials(study, client)]


def _of_study(study: optuna.Study, client: MlflowClient) -> Iterator[Difference]:
    folder = Path(study.user_attrs[StudyAttrs.FOLDER])
    stored = study.user_attrs.get(StudyAttrs.RUN_ID)
    experiments = [client.get_run(stored)] if stored else client.search_experiments()
    # Compared here, since the name and the folder may have quotes, which a query can't.
    for run in _search(client, experiments, f"tags.`{Tags.KIND}` = '{Kind.STUDY}'"):
        tags, run_id = run.data.tags, run.info.run_id
        if (tags.get(Tags.STUDY), tags.get(Tags.FOLDER)) != (study.study_name, str(folder)):
            continue
        if stored is None:
            stored = run_id
            yield Difference(
                f"the study's run {run_id} is not stored in Optuna",
                partial(study.set_user_attr, StudyAttrs.RUN_ID, run_id),
            )
        if run_id != stored:
            yield Difference(
                f"the study has a second run in MLflow, {run_id}",
                partial(client.delete_run, run_id),
            )
        elif run.info.status == "RUNNING" and not live_sweeps(study):
            yield Difference(
                "no sweep of the study is alive, but its run is RUNNING in MLflow",
                partial(client.set_terminated, run_id, "KILLED"),
            )
    if stored is None:
        yield Difference("the study has no run in MLflow: its sweep died early")
    if list(folder.glob("*" + Files.OUTBOX)) and not live_sweeps(study):
        yield Difference("the study has queued writes to MLflow", partial(deliver_all, folder))
    if refused := len(refused_files(folder)):
        command = shlex.join(["rnnexp", "deliver", str(folder)])
        yield Difference(f"MLflow has refused writes of {refused} runs; to retry them: {command}")


def _of_trials(study: optuna.Study, client: MlflowClient) -> Iterator[Difference]:
    parent = study.user_attrs.get(StudyAttrs.RUN_ID)
    runs: dict[int, list[Run]] = {}
    if parent:
        query = f"tags.{MLFLOW_PARENT_RUN_ID} = '{parent}' and tags.`{Tags.KIND}` = '{Kind.TRIAL}'"
        for run in _search(client, [client.get_run(parent)], query):
            runs.setdefault(int(run.data.tags[Tags.TRIAL]), []).append(run)
    folder = Path(study.user_attrs[StudyAttrs.FOLDER])
    stale = set(stale_trials(study))
    trials = study.get_trials(deepcopy=False)
    gone = replaced(trials)  # each has left its run and its folder to the trial in its place
    for trial in trials:
        if trial.number in gone:
            continue
        if trial.number in stale:
            yield Difference(
                f"trial {trial.number} is running, but its sweep is dead: a resume retries it"
            )
        elif state_of(trial) in STATUS:
            own = runs.get(trial.number, [])
            yield from _files(trial, folder_of(trial, folder), own)
            yield from _uploads(trial, own, client)
            yield from _of_trial(trial, own, client)


def _search(client: MlflowClient, of: Sequence[Run | Experiment], query: str) -> Iterator[Run]:
    experiments = [(one.info if isinstance(one, Run) else one).experiment_id for one in of]
    token: str | None = None
    while True:
        page = client.search_runs(experiments, query, max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _files(trial: FrozenTrial, folder: Path, runs: Sequence[Run]) -> Iterator[Difference]:
    name = f"trial {trial.number}"
    if (folder / Files.OUTBOX).exists():
        yield Difference(f"{name} has queued writes to MLflow", partial(deliver_all, folder))
    backup, has_ended = folder / Files.BACKUP, trial.state.is_finished()
    # A trial that was paused when the study ended has a backup for a resume.
    if has_ended and backup.exists() and not trial.user_attrs.get(TrialAttrs.PAUSED):
        remove = partial(backup.unlink, missing_ok=True)
        yield Difference(f"{name} has ended, but its backup is there", remove)
    # Only a training of this project is backed up, not an application of one's own.
    is_training = any(Tags.DATA in run.data.tags for run in runs)
    has_backup = backup.exists() or any(Tags.BACKUP in run.data.tags for run in runs)
    if is_training and not has_ended and not has_backup:
        yield Difference(f"{name} is paused, but its backup is gone: it starts anew if it goes on")


def _uploads(trial: FrozenTrial, runs: Sequence[Run], client: MlflowClient) -> Iterator[Difference]:
    for run in runs:
        has_ended = trial.state.is_finished() and not trial.user_attrs.get(TrialAttrs.PAUSED)
        if has_ended and Tags.BACKUP in run.data.tags:
            yield Difference(
                f"trial {trial.number} has ended, but its backup is among its run's artifacts",
                partial(backup_artifact.delete, client, run.info.run_id),
            )


def _of_trial(
    trial: FrozenTrial, runs: Sequence[Run], client: MlflowClient
) -> Iterator[Difference]:
    name, stored = f"trial {trial.number}", trial.user_attrs.get(TrialAttrs.RUN_ID)
    # A trial whose process died may have had no time to store the id of its run.
    own = next((run for run in runs if run.info.run_id == stored), runs[0] if runs else None)
    for run in runs:
        if run is not own:
            yield Difference(
                f"{name} has a second run in MLflow, {run.info.run_id}",
                partial(client.delete_run, run.info.run_id),
            )
    if own:
        yield from _run(name, trial, own, client)
    elif (state := state_of(trial)) != State.FAIL:  # a failed trial may never have had a run
        yield Difference(f"{name} is {state}, but {_missing(stored, client)}")


def _missing(run_id: str | None, client: MlflowClient) -> str:
    """Return why a trial has no run, which may have been deleted by hand."""
    try:
        stage = client.get_run(run_id).info.lifecycle_stage if run_id else None
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        stage = None
    if stage == LifecycleStage.DELETED:
        return (
            f"its run was deleted in MLflow; to restore it: mlflow runs restore --run-id {run_id}"
        )
    return "has no run in MLflow"


def _run(name: str, trial: FrozenTrial, run: Run, client: MlflowClient) -> Iterator[Difference]:
    run_id, state = run.info.run_id, State(state_of(trial))
    if run.info.status != STATUS[state]:
        yield Difference(
            f"{name} is {state} in Optuna, its run is {run.info.status} in MLflow",
            partial(client.set_terminated, run_id, STATUS[state]),
        )
    if (tag := run.data.tags.get(Tags.STATE)) != state:
        yield Difference(
            f"{name} is {state} in Optuna, the tag of its run is {tag}",
            partial(client.set_tag, run_id, Tags.STATE, state),
        )
    saved = run.data.tags.get(Tags.CHECKPOINT)
    files = client.list_artifacts(run_id, Artifacts.CHECKPOINT) if saved else []
    if saved and saved not in {file.path for file in files}:
        yield Difference(
            f"{name} has no {saved} among its run's artifacts, which the run's tag names",
            partial(client.delete_tag, run_id, Tags.CHECKPOINT),
        )
    value = run.data.metrics.get(Metrics.BEST_VALUE)
    stored = value_of(trial)
    if stored is not None and state == State.COMPLETE and value != stored:
        yield Difference(
            f"{name} has the value {stored} in Optuna, {value} in MLflow",
            partial(client.log_metric, run_id, Metrics.BEST_VALUE, stored),
        )
