"""A run's checkpoints: storing them, loading the best, and going on from one."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.utils import to_absolute_path
from omegaconf import DictConfig

from rnnexp import backend
from rnnexp.data import Dataset
from rnnexp.model import build, restore, variables
from rnnexp.tracking import Run, Tracker

if TYPE_CHECKING:
    import keras

FOLDER = "checkpoint"  # of a run's artifacts
TAG = "checkpoint"  # of a run: the path of its best checkpoint among its artifacts
WEIGHTS = ".weights.h5"  # how Keras wants the names of files with weights alone to end


def log_checkpoints(run: Run, files: Mapping[int, str], best_epoch: int | None) -> None:
    """Store a training's checkpoints in its run, and tag the best.

    Args:
        run: The run.
        files: The file that each epoch is in; the same one for several where only the best is kept.
        best_epoch: The best epoch; where it has no file, the last file is taken for the best.
    """
    there = {epoch: Path(file) for epoch, file in files.items() if Path(file).exists()}
    for file in sorted(set(there.values())):
        run.log_file(file, FOLDER)
    if there:
        best = there[best_epoch if best_epoch in there else max(there)]
        run.log_batch(tags={TAG: f"{FOLDER}/{best.name}"})


def load(tracker: Tracker, run_id: str, config: DictConfig, dataset: Dataset) -> Any:
    """The model of a run's best checkpoint, compiled; None if the run has none.

    Args:
        tracker: Where the run is.
        run_id: The run.
        config: The config that it was trained with.
        dataset: The data that it was trained on.
    """
    path = tracker.tag(run_id, TAG)
    if path is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        return _model(tracker.download(run_id, path, Path(folder)), config, dataset)


def go_on_from(model: "keras.Model", checkpoint: str, tracker: Tracker) -> None:
    """Give a model, which is built and compiled, a checkpoint's weights and optimizer state.

    Args:
        model: The model.
        checkpoint: The path of a .keras file, or the id of an MLflow run, for its best.
        tracker: Where the run is.

    Raises:
        ValueError: If there is no such checkpoint, or if it is of another model or optimizer.
    """
    with _file_of(checkpoint, tracker) as file:
        restore(model, variables(backend.keras().models.load_model(file)))


def _model(file: Path, config: DictConfig, dataset: Dataset) -> "keras.Model":
    keras = backend.keras()
    if not file.name.endswith(WEIGHTS):
        return keras.models.load_model(file)
    model = build(config, dataset)
    model.load_weights(file)
    return model


@contextmanager
def _file_of(checkpoint: str, tracker: Tracker) -> Iterator[Path]:
    path = Path(to_absolute_path(checkpoint))
    if path.suffix == ".keras":
        if not path.is_file():
            raise ValueError("there is no such file")
        yield path
        return
    saved = tracker.tag(checkpoint, TAG) if tracker.knows(checkpoint) else None
    if saved is None:
        raise ValueError(f"neither a .keras file nor a run with a checkpoint in {tracker.uri}")
    if saved.endswith(WEIGHTS):
        raise ValueError(f"{saved} has weights alone; to go on, the optimizer's state is needed")
    with tempfile.TemporaryDirectory() as folder:
        yield tracker.download(checkpoint, saved, Path(folder))
