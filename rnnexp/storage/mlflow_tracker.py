"""The tracker: opens runs in one experiment of an MLflow store, and finds them again."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from rnnexp.result import State
from rnnexp.storage import backup_artifact, schema
from rnnexp.storage.mlflow_run import Run, seconds_so_far
from rnnexp.storage.mlflow_store import MlflowStore
from rnnexp.storage.retry import retry_transient
from rnnexp.storage.run_creation import continue_run, create_run, existing_run, experiment_id
from rnnexp.storage.schema import Kind, Metrics, Tags
from rnnexp.storage.store_problems import experiment_problem


class Tracker(MlflowStore):
    """One experiment of an MLflow store.

    Args:
        uri: MLflow's tracking URI; None for ``MLFLOW_TRACKING_URI``, else MLflow's default.
        experiment: The experiment's name; the experiment is made with its first run.
        system_metrics: Whether jobs log MLflow's system metrics.
        uncommitted_diff: Whether the changes since the application's last commit are stored.

    Attributes:
        uri: The tracking URI, absolute.
        system_metrics: As above.
        uncommitted_diff: As above.
    """

    def __init__(
        self,
        uri: str | None,
        experiment: str,
        system_metrics: bool = False,
        uncommitted_diff: bool = True,
    ) -> None:
        super().__init__(uri)
        self.system_metrics = system_metrics
        self.uncommitted_diff = uncommitted_diff
        self._experiment = experiment

    def problems(self) -> list[str]:
        """Return why no run can be written as asked for; empty if runs can be written."""
        problems = super().problems()
        if not (isinstance(self._experiment, str) and self._experiment.strip()):
            problems.append(
                f"tracking.experiment={self._experiment}: give the name of an experiment"
            )
        elif not (problems or self.is_new):
            problem = experiment_problem(self.client(), self._experiment)
            problems += [problem] if problem else []
        for name in ("system_metrics", "uncommitted_diff"):
            if not isinstance(given := getattr(self, name), bool):
                problems.insert(0, f"tracking.{name}={given}: must be true or false")
        return problems

    @contextmanager
    def run(
        self,
        name: str | None,
        *,
        tags: Mapping[str, object],
        params: Mapping[str, object],
        kind: Kind = Kind.RUN,
        parent: str | None = None,
        continued: str | None = None,
        outbox: Path | None = None,
    ) -> Iterator[Run]:
        """Open a run, which ends however the block ends.

        An exception ends the run as FAILED with the traceback as artifact, Ctrl-C as KILLED.

        Args:
            name: The run's name in the UI; None for a name that MLflow makes up.
            tags: The run's tags at the start.
            params: The run's params.
            kind: What the run is.
            parent: Id of the run that the new run is nested under.
            continued: Id of a run that goes on, in place of a new run. If the run was deleted in
                MLflow, a new run takes its place.
            outbox: Where writes are queued while MLflow is unreachable; None to raise its errors.

        Yields:
            The run.
        """
        all_tags = {key: str(value) for key, value in tags.items()}
        all_tags |= {Tags.SCHEMA: str(schema.VERSION), Tags.KIND: kind}
        if parent:
            all_tags[MLFLOW_PARENT_RUN_ID] = parent
        run = self._open(name, all_tags, parent, continued, outbox)
        try:
            if not _has_params(self, run):
                run.log_batch(params=params)
            yield run
        except Exception as error:
            run.end_failed(error)
            raise
        except BaseException:
            run.end_killed()
            raise
        finally:
            run.terminate()

    def _open(
        self,
        name: str | None,
        tags: dict[str, str],
        parent: str | None,
        continued: str | None,
        outbox: Path | None,
    ) -> Run:
        client = self.client()
        experiment = experiment_id(client, self._experiment, parent or continued)
        if continued and (before := existing_run(client, continued)):
            return continue_run(client, before, experiment, tags, outbox)
        return Run(client, create_run(client, experiment, name, tags), experiment, outbox)

    @retry_transient
    def find(self, tags: Mapping[str, object], parent: str | None = None) -> str | None:
        """Return the id of the run with these tags; None if there is no such run.

        Args:
            tags: Tags that the run must have.
            parent: Id of the run that the run must be nested under; None for any.
        """
        client = self.client()
        texts = {name: str(value) for name, value in tags.items()}
        if parent:
            texts[MLFLOW_PARENT_RUN_ID] = parent
        plain = [f"tags.{k} = '{v}'" for k, v in texts.items() if not set(v) & set("'\"\\")]
        found = client.search_runs(
            [experiment_id(client, self._experiment, parent)], " and ".join(plain)
        )
        return next((r.info.run_id for r in found if texts.items() <= r.data.tags.items()), None)

    @retry_transient
    def end_failed(
        self, run_id: str, tags: Mapping[str, object], outbox: Path, epochs: int
    ) -> None:
        """End a run whose process has died, after the writes that the process has queued."""
        client = self.client()
        run = Run(client, run_id, "", outbox)
        spent = {Metrics.SECONDS: seconds_so_far(client, run_id), Metrics.EPOCHS: epochs}
        run.log_batch(metrics=spent, tags=tags)
        run.end_failed("")
        run.terminate()
        self.delete_backup(run_id)

    @retry_transient
    def end_paused(
        self, run_id: str, state: State, tags: Mapping[str, object], outbox: Path
    ) -> None:
        """End the run of a paused trial in another state, after the queued writes."""
        run = Run(self.client(), run_id, "", outbox)
        run.log_batch(tags=tags)
        if state == State.PRUNED:
            run.end_killed()
        elif state == State.PAUSED:
            run.end_paused()
        run.terminate()

    def delete_backup(self, run_id: str | None) -> None:
        """Delete the uploaded backup of a trial, if there is one and MLflow can be reached."""
        backup_artifact.try_to_delete(self.client(), run_id)


def _has_params(tracker: Tracker, run: Run) -> bool:
    """Return whether the params of a run have been written; they can't be changed."""
    if run.before is None:
        return False
    if run.before.data.params:
        return True
    # Writes that were queued when the run went on may have had them.
    return bool(retry_transient(tracker.client().get_run)(run.id).data.params)
