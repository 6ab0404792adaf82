"""``rnnexp replay``: an archived run trained again, and compared with the replay by epoch."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mlflow.entities import Run
from omegaconf import DictConfig

from rnnexp.reproduce.job_config import job_config
from rnnexp.reproduce.retrain import Training, folder_alone, retrain_alone
from rnnexp.result import State
from rnnexp.storage.run_reader import RunReader
from rnnexp.storage.schema import Kind, Metrics, Tags
from rnnexp.version import __version__

Curves = Mapping[str, Mapping[int, float]]  # values by metric and epoch

# Beginnings of the names of metrics that are not of epochs.
_NOT_OF_EPOCHS = (
    Metrics.BEST_VALUE,
    Metrics.BEST_EPOCH,
    Metrics.TRAININGS,
    Metrics.EPOCHS,
    Metrics.SECONDS,
    Metrics.TEST,
    Metrics.SYSTEM,
    Metrics.CONFIRM,
)


@dataclass(frozen=True)
class Difference:
    """The first difference of two trainings, and the largest.

    Attributes:
        epoch: The first epoch at which a metric differs.
        metric: The metric that differs at that epoch.
        values: The metric's values at that epoch, of the first training and of the second.
        largest: The largest absolute difference of any metric at any epoch.
    """

    epoch: int
    metric: str
    values: tuple[float, float]
    largest: float


def difference(first: Curves, second: Curves) -> Difference | None:
    """Compare two trainings, to the last bit, at the epochs and metrics that both have.

    Returns:
        The difference; None if all values are equal.
    """
    differing = [
        (epoch, metric, values)
        for metric in first
        if metric in second
        for epoch in sorted(first[metric].keys() & second[metric].keys())
        if not _same(*(values := (first[metric][epoch], second[metric][epoch])))
    ]
    if not differing:
        return None
    epoch, metric, values = min(differing)
    return Difference(epoch, metric, values, max(abs(a - b) for _, _, (a, b) in differing))


def _same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


@dataclass(frozen=True)
class Replay:
    """A run and its replay.

    Attributes:
        original: The archived run.
        replayed: The new run.
        difference: Where their metrics differ; None if the metrics are equal.
        epochs: The number of epochs of the archived run and of the new run.
    """

    original: Run
    replayed: Run
    difference: Difference | None
    epochs: tuple[int, int]


def replay(reader: RunReader, original: Run, executor: DictConfig | None = None) -> Replay:
    """Train a run again, with its config and on its data, as a new run with the tag ``replay_of``.

    Args:
        reader: Reads the store of the run, which the new run goes to.
        original: The run.
        executor: ``_target_`` of an executor; None for a worker with the threads that the run had.

    Returns:
        The run, the new run and the difference of their metrics.

    Raises:
        ConfigError: If the run's config can't work, or its data have changed.
        NotFoundError: If the run can't be trained again.
        SweepError: If the training failed.
    """
    run_id = original.info.run_id
    training = Training(
        original,
        name=f"replay of {original.info.run_name}",
        folder=folder_alone(Kind.REPLAY, run_id),
        kind=Kind.REPLAY,
        params=original.data.params,
        tags={Tags.REPLAY_OF: run_id},
    )
    trained = retrain_alone(reader, training, executor)
    reader.store.add(run_id, metrics={}, tags={Tags.REPLAYED_BY: trained.run_id})
    replayed = reader.client.get_run(trained.run_id)
    first, second = _curves(reader, original), _curves(reader, replayed)
    epochs = _epochs(first), _epochs(second)
    return Replay(original, replayed, difference(first, second), epochs)


def notes(reader: RunReader, run: Run) -> Iterator[str]:
    """Give the reasons for which a replay of a run may differ from the run.

    Raises:
        NotFoundError: If the run can't be trained again.
    """
    config = job_config(reader, run)
    tags = run.data.tags
    if tags[Tags.VERSION] != __version__:
        yield f"the run was made by rnnexp {tags[Tags.VERSION]}, this is {__version__}"
    if Tags.DATA not in tags:
        yield "the run ended before its data were loaded; the data may have changed since"
    if Tags.ATTEMPT in tags:
        yield "the run was retried or resumed after its process died; metrics can differ from there"
    if tags[Tags.STATE] == State.PRUNED:
        yield "the run was pruned; the replay is not, and the epochs of both are compared"
    if not config.deterministic:
        yield "the run was trained without deterministic=true; the last bits can differ"


def _curves(reader: RunReader, run: Run) -> Curves:
    names = [name for name in run.data.metrics if not name.startswith(_NOT_OF_EPOCHS)]
    return {name: dict(reader.epochs(run, name)) for name in names}


def _epochs(curves: Curves) -> int:
    return len({epoch for curve in curves.values() for epoch in curve})
