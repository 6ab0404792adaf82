"""A tracker that keeps runs in memory: for tests, and for trying a sweep's parts without MLflow."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from rnnexp.result import State
from rnnexp.storage.schema import Kind, Metrics, Tags


@dataclass
class MemoryRun:
    """A run in memory, with the methods of `rnnexp.storage.mlflow_run.Run`.

    Attributes:
        id: The run's id.
        tags: Tags by name.
        params: Params by name.
        metrics: Values by step, by name.
        datasets: The datasets that were logged.
        artifacts: The texts, and the paths of the files, that were logged, by name.
        status: MLflow's status of the run.
        deleted: The ids of the runs whose checkpoints were deleted through this run.
        epochs: The number of epochs that the run has trained; None if nobody has counted.
    """

    id: str = field(default_factory=lambda: uuid4().hex)
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, dict[int, float]] = field(default_factory=dict)
    datasets: list[Mapping[str, str]] = field(default_factory=list)
    artifacts: dict[str, str] = field(default_factory=dict)
    status: str = "RUNNING"
    deleted: list[str | None] = field(default_factory=list)
    epochs: int | None = None
    _end: str = "FINISHED"

    def log_batch(
        self,
        *,
        metrics: Mapping[str, float] | None = None,
        step: int = 0,
        params: Mapping[str, object] | None = None,
        tags: Mapping[str, object] | None = None,
    ) -> None:
        """Keep metrics, params and tags."""
        for name, value in (metrics or {}).items():
            self.metrics.setdefault(name, {})[step] = float(value)
        self.params |= {name: str(value) for name, value in (params or {}).items()}
        self.tags |= {name: str(value) for name, value in (tags or {}).items()}

    def tag_later(self, tags: Mapping[str, object]) -> None:
        """Keep tags."""
        self.log_batch(tags=tags)

    def log_inputs(self, datasets: Sequence[Mapping[str, str]]) -> None:
        """Keep datasets, each once."""
        self.datasets += [dataset for dataset in datasets if dataset not in self.datasets]

    def log_outcome(
        self, *, tags: Mapping[str, object], metrics: Mapping[str, float] | None = None
    ) -> None:
        """Keep the outcome, with the number of epochs."""
        spent = {} if self.epochs is None else {Metrics.EPOCHS: float(self.epochs)}
        self.log_batch(metrics=spent | dict(metrics or {}), tags=tags)

    def steps(self, metric: str) -> set[int]:
        """Return the steps at which a metric has been logged."""
        return set(self.metrics.get(metric, {}))

    def log_file(self, path: Path, folder: str | None = None) -> None:
        """Keep the path of a file."""
        self.artifacts[f"{folder}/{path.name}" if folder else path.name] = str(path)

    def log_text(self, text: str, name: str) -> None:
        """Keep a text."""
        self.artifacts[name] = text

    def delete_checkpoint(
        self,
        run_id: str | None,
        folder: Path,  # noqa: ARG002
        patterns: Sequence[str],  # noqa: ARG002
        reason: str,  # noqa: ARG002
    ) -> None:
        """Keep the id of the run whose checkpoint is to be deleted."""
        self.deleted.append(run_id)

    def end_killed(self) -> None:
        """Let the run end as KILLED."""
        self._end = "KILLED"

    def end_paused(self) -> None:
        """Let the run end as SCHEDULED."""
        self._end = "SCHEDULED"

    def end_failed(self, error: BaseException | str) -> None:  # noqa: ARG002
        """Let the run end as FAILED."""
        self._end = "FAILED"

    def terminate(self) -> None:
        """End the run."""
        self.status = self._end


@dataclass
class MemoryTracker:
    """Runs in memory, with the methods of `Tracker` that a loop needs.

    Attributes:
        runs: The runs by id, with the id of the run that each is nested under.
    """

    runs: dict[str, tuple[MemoryRun, str | None]] = field(default_factory=dict)

    @contextmanager
    def run(
        self,
        name: str | None,  # noqa: ARG002
        *,
        tags: Mapping[str, object],
        params: Mapping[str, object],
        kind: Kind = Kind.RUN,
        parent: str | None = None,
        continued: str | None = None,
        outbox: Path | None = None,  # noqa: ARG002
    ) -> Iterator[MemoryRun]:
        """Open a run, which ends however the block ends; see the class above for the arguments."""
        run = self.runs[continued][0] if continued else MemoryRun()
        run.status = "RUNNING"
        run.log_batch(tags={**tags, Tags.KIND: kind}, params=params)
        self.runs[run.id] = run, parent
        try:
            yield run
        except Exception as error:
            run.end_failed(error)
            raise
        except BaseException:
            run.end_killed()
            raise
        finally:
            run.terminate()

    def find(self, tags: Mapping[str, object], parent: str | None = None) -> str | None:
        """Return the id of the run with these tags; None if there is no such run."""
        texts = {name: str(value) for name, value in tags.items()}
        for run, above in self.runs.values():
            if texts.items() <= run.tags.items() and parent in (None, above):
                return run.id
        return None

    def end_failed(
        self,
        run_id: str,
        tags: Mapping[str, object],
        outbox: Path,  # noqa: ARG002
        epochs: int,
    ) -> None:
        """End a run whose process has died."""
        run, _ = self.runs[run_id]
        run.epochs = epochs
        run.log_outcome(tags=tags)
        run.end_failed("")
        run.terminate()

    def end_paused(
        self,
        run_id: str,
        state: State,
        tags: Mapping[str, object],
        outbox: Path,  # noqa: ARG002
    ) -> None:
        """End the run of a paused trial in another state."""
        run, _ = self.runs[run_id]
        run.log_batch(tags=tags)
        statuses = {State.PRUNED: "KILLED", State.PAUSED: "SCHEDULED"}
        run.status = statuses.get(state, "FINISHED")

    def delete_backup(self, run_id: str | None) -> None:
        """Do nothing, since no backup is kept."""
