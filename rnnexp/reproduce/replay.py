"""``rnnexp replay``: an archived run trained again, and the two held against each other."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlflow.entities import Run
from omegaconf import DictConfig, OmegaConf

from rnnexp.errors import SweepError
from rnnexp.reproduce.job_config import job_config, threads_of
from rnnexp.reproduce.retrain import Training, retrain
from rnnexp.result import State
from rnnexp.storage.run_reader import RunReader
from rnnexp.version import __version__

Curves = Mapping[str, Mapping[int, float]]  # values by metric and epoch
ONCE = ("best_value", "best_epoch", "epochs", "seconds", "test_", "system/", "confirm.")


@dataclass(frozen=True)
class Difference:
    """Where two trainings part.

    Attributes:
        epoch: The first epoch at which a metric differs.
        metric: The metric that differs there.
        values: Its values in the first and the second.
        largest: The largest absolute difference of any metric at any epoch.
    """

    epoch: int
    metric: str
    values: tuple[float, float]
    largest: float


def difference(first: Curves, second: Curves) -> Difference | None:
    """Where two trainings part, in the epochs that both have; None if nowhere, to the last bit."""
    apart = [
        (epoch, metric, values)
        for metric in first
        if metric in second
        for epoch in sorted(first[metric].keys() & second[metric].keys())
        if not _same(*(values := (first[metric][epoch], second[metric][epoch])))
    ]
    if not apart:
        return None
    epoch, metric, values = min(apart)
    return Difference(epoch, metric, values, max(abs(a - b) for _, _, (a, b) in apart))


def _same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


@dataclass(frozen=True)
class Replay:
    """A run and its replay.

    Attributes:
        original: The archived run.
        again: The new one.
        difference: Where they part; None if nowhere.
        epochs: How many epochs each has.
    """

    original: Run
    again: Run
    difference: Difference | None
    epochs: tuple[int, int]


def replay(reader: RunReader, original: Run, executor: DictConfig | None = None) -> Replay:
    """Train a run's config on the same data again, as a new run with the tag ``replay_of``.

    Args:
        reader: Where the run is.
        original: The run.
        executor: ``_target_`` of an executor; None for a worker with the threads that the run had.

    Raises:
        ConfigError: If its config can't work, or its data have changed.
        NotFoundError: If it can't be trained again.
        SweepError: If the training failed.
    """
    run_id = original.info.run_id
    executor = executor or OmegaConf.create(
        {
            "_target_": "rnnexp.execution.executors.WorkerExecutor",
            "threads": threads_of(reader, original)[0],
        }
    )
    training = Training(
        original,
        name=f"replay of {original.info.run_name}",
        folder=Path(
            "outputs", f"{datetime.now():%Y-%m-%d_%H-%M-%S}-replay-{run_id[:8]}"
        ).absolute(),
        tags={"replay_of": run_id},
    )
    ((_, trained),) = retrain(reader, [training], executor, 1)
    if not trained.run_id or trained.state == State.FAIL:
        raise SweepError(f"the replay of run {run_id} failed: {trained.reason}")
    reader.tracker.add(run_id, metrics={}, tags={"replayed_by": trained.run_id})
    again = reader.client.get_run(trained.run_id)
    first, second = _curves(reader, original), _curves(reader, again)
    epochs = _epochs(first), _epochs(second)
    return Replay(original, again, difference(first, second), epochs)


def notes(reader: RunReader, run: Run) -> Iterator[str]:
    """What may let a replay of this run differ from it.

    Raises:
        NotFoundError: If it can't be trained again.
    """
    config = job_config(reader, run)
    tags = run.data.tags
    version = tags.get("rnnexp.version")
    if version != __version__:
        of = f"of rnnexp {version}" if version else "of another version of rnnexp"
        yield f"the run is {of}, this is {__version__}"
    if note := threads_of(reader, run)[1]:
        yield note
    if "data" not in tags:
        yield "the run doesn't tell which data it was trained on; they may have changed since"
    if "attempt" in tags:
        yield "the run was taken up again after its process died; from there on metrics can differ"
    if tags.get("state") == State.PRUNED:
        yield "the run was pruned; the replay runs on, and the epochs that both have are compared"
    if not config.get("deterministic"):
        yield "the run is without deterministic=true, so that the last bits can differ"


def _curves(reader: RunReader, run: Run) -> Curves:
    names = [name for name in run.data.metrics if not name.startswith(ONCE)]
    return {
        name: {m.step: m.value for m in reader.client.get_metric_history(run.info.run_id, name)}
        for name in names
    }


def _epochs(curves: Curves) -> int:
    return len({epoch for curve in curves.values() for epoch in curve})
