"""What a trial needs to go on after its process died: saved each epoch, in one file.

Keras's BackupAndRestore keeps weights and epoch in two files, which disagree when the process dies
between them, and other callbacks start anew: EarlyStopping has forgotten its patience, and
ModelCheckpoint overwrites the best model with the next one. Here everything is in one file,
which is written beside its place and renamed.
"""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

import keras
import numpy as np

from rnnexp.atomic import atomic_write
from rnnexp.storage.schema import Files
from rnnexp.training.callbacks import epoch_metrics
from rnnexp.training.model import restore, variables

PLAIN = (type(None), bool, int, float, str, np.ndarray, np.generic, np.ufunc)

Epochs = dict[int, dict[str, float]]  # metrics by epoch


@dataclass(frozen=True)
class Saved:
    """The state of a training after an epoch.

    Attributes:
        metrics: The metrics of every epoch so far.
        weights: The model's weights, then the optimizer's variables.
        callbacks: The attributes of each callback that can be stored, by its name in the config.
        stopped: Whether a callback had ended the training.
    """

    metrics: Epochs
    weights: list[Any]
    callbacks: dict[str, dict[str, Any]]
    stopped: bool


class Backup(keras.callbacks.Callback):
    """Saves the training after every epoch, and takes it up where it was saved.

    It stands after the callbacks whose state it saves and before those that write an epoch's
    metrics, so that an epoch that was written was saved before.

    Args:
        folder: The trial's folder.
        callbacks: The callbacks whose state is part of the training's, by name.

    Attributes:
        metrics: The metrics of every epoch so far.
    """

    def __init__(self, folder: Path, callbacks: Mapping[str, keras.callbacks.Callback]) -> None:
        super().__init__()
        self._file = folder / Files.BACKUP
        self._callbacks = callbacks
        self._saved: Saved | None = None
        self.metrics: Epochs = {}

    def load(self, model: keras.Model) -> Saved | None:
        """Give a model, which is built and compiled, its saved weights; None if there are none."""
        if not self._file.exists():
            return None
        saved: Saved = pickle.loads(self._file.read_bytes())  # noqa: S301
        model.optimizer.build(model.trainable_variables)
        restore(model, saved.weights)
        self._saved = saved
        self.metrics = dict(saved.metrics)
        return saved

    def on_train_begin(self, logs: object = None) -> None:  # noqa: ARG002
        """Give the callbacks their state back, which they have just reset."""
        if self._saved:
            for name, state in self._saved.callbacks.items():
                vars(self._callbacks[name]).update(state)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Save."""
        self.metrics[epoch] = epoch_metrics(self.model, logs)
        saved = Saved(
            metrics=self.metrics,
            weights=[keras.ops.convert_to_numpy(v) for v in variables(self.model)],
            callbacks={name: _state(callback) for name, callback in self._callbacks.items()},
            stopped=self.model.stop_training,
        )
        atomic_write(self._file, pickle.dumps(saved))


def _state(callback: keras.callbacks.Callback) -> dict[str, Any]:
    return {name: value for name, value in vars(callback).items() if _is_plain(value)}


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    if isinstance(value, FunctionType):  # such as Keras's way to compare; pickled by its name
        return "<" not in value.__qualname__
    return isinstance(value, PLAIN)
