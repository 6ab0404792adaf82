"""A run's checkpoints: storing them, loading the best, and going on from one."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.utils import to_absolute_path

from rnnexp import keras_runtime
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.mlflow_store import Tracker
from rnnexp.storage.schema import Artifacts, Tags
from rnnexp.training.model import restore, variables

if TYPE_CHECKING:
    import keras

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
        run.log_file(file, Artifacts.CHECKPOINT)
    if there:
        best = there[best_epoch if best_epoch in there else max(there)]
        run.tag_later({Tags.CHECKPOINT: f"{Artifacts.CHECKPOINT}/{best.name}"})


def load(model: "keras.Model", checkpoint: str, tracker: Tracker) -> None:
    """Give a model, which is built and compiled, a checkpoint's weights and optimizer state.

    Args:
        model: The model.
        checkpoint: The path of a .keras or .weights.h5 file, or the id of an MLflow run, for its
            best.
        tracker: Where the run is.

    Raises:
        ValueError: If there is no such checkpoint, or if it is of another model or optimizer.
    """
    with _file_of(checkpoint, tracker) as file:
        model.optimizer.build(model.trainable_variables)
        if file.name.endswith(WEIGHTS):
            model.load_weights(file)
        else:
            restore(model, variables(keras_runtime.keras().models.load_model(file)))


def no_checkpoint(run_id: str, tracker: Tracker) -> str | None:
    """Why a run has no checkpoint; None if it has one."""
    if tracker.tag(run_id, Tags.CHECKPOINT) is not None:
        return None
    reason = tracker.tag(run_id, Tags.CHECKPOINT_DELETED)
    return f"its checkpoint was deleted, by {reason}" if reason else "it has no checkpoint"


@contextmanager
def _file_of(checkpoint: str, tracker: Tracker) -> Iterator[Path]:
    path = Path(to_absolute_path(checkpoint))
    if path.name.endswith((".keras", WEIGHTS)):
        if not path.is_file():
            raise ValueError("there is no such file")
        yield path
        return
    is_run = tracker.knows(checkpoint)
    saved = tracker.tag(checkpoint, Tags.CHECKPOINT) if is_run else None
    if saved is None:
        if is_run and (reason := tracker.tag(checkpoint, Tags.CHECKPOINT_DELETED)):
            raise ValueError(f"the checkpoint of this run was deleted, by {reason}")
        raise ValueError(f"neither a .keras file nor a run with a checkpoint in {tracker.uri}")
    with tempfile.TemporaryDirectory() as folder:
        yield tracker.download(checkpoint, saved, Path(folder))
