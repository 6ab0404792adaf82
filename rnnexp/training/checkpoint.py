"""The checkpoints of a run: storing them in MLflow, and loading one into a model."""

import io
import logging
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rnnexp.config_files import path_here
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.mlflow_store import MlflowStore
from rnnexp.storage.schema import Artifacts, Tags

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)

WEIGHTS = ".weights.h5"  # the ending that Keras requires of a file with weights alone


def log_checkpoints(run: Run, files: Mapping[str, int], best_epoch: int | None) -> None:
    """Store the checkpoints of a training in its run, and tag the checkpoint of the best epoch.

    Args:
        run: The run.
        files: The epoch, counted from 0, whose model each file holds.
        best_epoch: The best epoch. If no file holds its model, no checkpoint is tagged as the best.
    """
    existing = {Path(file): epoch for file, epoch in files.items() if Path(file).exists()}
    best = next((file for file, epoch in existing.items() if epoch == best_epoch), None)
    for file in sorted(
        existing, key=lambda file: (file == best, file)
    ):  # one name may be another's
        run.log_file(file, Artifacts.CHECKPOINT)
    if best:
        run.tag_later({Tags.CHECKPOINT: f"{Artifacts.CHECKPOINT}/{best.name}"})
    elif existing:
        log.warning("no checkpoint holds the model of the best epoch, so none is the run's best")


def load(model: "keras.Model", checkpoint: str, store: MlflowStore) -> None:
    """Load a checkpoint's weights and optimizer state into a model.

    Args:
        model: The model, built and compiled.
        checkpoint: The path of a ``.keras`` or ``.weights.h5`` file, or the id of an MLflow run,
            which stands for the best checkpoint of the run.
        store: The store of the run.

    Raises:
        ValueError: If there is no such checkpoint, or if it is of another model or optimizer.
    """
    with _checkpoint_file(checkpoint, store) as file:
        load_file(model, file)


def load_file(model: "keras.Model", file: Path) -> None:
    """Load the weights and the optimizer state in a file into a model.

    Of a ``.keras`` file, the description of the model is not read: classes and functions of one's
    own need not be known to Keras.

    Args:
        model: The model, built and compiled.
        file: A ``.keras`` or ``.weights.h5`` file.

    Raises:
        ValueError: If the file is of another model or optimizer.
    """
    model.optimizer.build(model.trainable_variables)
    if differing := _differing(model, file):
        raise ValueError(f"the file is of another model or optimizer: {differing}")
    model.load_weights(file)


def _differing(model: "keras.Model", file: Path) -> str:
    """Return where a file differs from one that Keras would write of the model; empty if nowhere.

    Keras itself ignores weights in a file that the model lacks, and the state of an optimizer with
    another number of variables.
    """
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder, f"own{WEIGHTS}")
        model.save_weights(own)
        here, there = _shapes(own), _shapes(file)
    for name in sorted({*here, *there}):
        if here.get(name) != there.get(name):
            found, wanted = there.get(name, "missing"), here.get(name, "missing")
            return f"{name} is {found} in the file, {wanted} in the model"
    return ""


def _shapes(file: Path) -> dict[str, str]:
    """Return the shapes of all variables in a file, by their paths in it."""
    import h5py

    shapes: dict[str, str] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            shapes[name] = "x".join(map(str, item.shape)) or "a number"

    content = file.read_bytes()
    if file.suffix == ".keras":
        with zipfile.ZipFile(file) as archive:
            content = archive.read("model.weights.h5")
    with h5py.File(io.BytesIO(content)) as weights:
        weights.visititems(visit)
    return shapes


def no_checkpoint(run_id: str, store: MlflowStore) -> str | None:
    """Return why a run has no checkpoint; None if the run has one."""
    if store.tag(run_id, Tags.CHECKPOINT) is not None:
        return None
    reason = store.tag(run_id, Tags.CHECKPOINT_DELETED)
    return f"its checkpoint was deleted, by {reason}" if reason else "it has no checkpoint"


@contextmanager
def _checkpoint_file(checkpoint: str, store: MlflowStore) -> Iterator[Path]:
    path = path_here(checkpoint)
    if path.name.endswith((".keras", WEIGHTS)):
        if not path.is_file():
            raise ValueError("there is no such file")
        yield path
        return
    is_run = store.knows(checkpoint)
    artifact = store.tag(checkpoint, Tags.CHECKPOINT) if is_run else None
    if artifact is None:
        if is_run and (reason := store.tag(checkpoint, Tags.CHECKPOINT_DELETED)):
            raise ValueError(f"the checkpoint of this run was deleted, by {reason}")
        raise ValueError(f"neither a .keras file nor a run with a checkpoint in {store.uri}")
    with tempfile.TemporaryDirectory() as folder:
        file = store.download(checkpoint, artifact, Path(folder))
        if not file.name.endswith((".keras", WEIGHTS)):  # Keras's older formats may run code
            raise ValueError(f"its checkpoint {file.name} is neither a .keras nor a {WEIGHTS} file")
        yield file
