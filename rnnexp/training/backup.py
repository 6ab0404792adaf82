"""The state of a training, saved after each epoch, from which a trial resumes if its process died.

Keras's BackupAndRestore keeps weights and epoch in two files, which disagree if the process dies
between writing one and the other. It also lets other callbacks start anew: EarlyStopping forgets
its patience, and ModelCheckpoint overwrites the best model with the next. Here the whole state is
in one file, which is replaced atomically.
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

Epochs = dict[int, dict[str, float]]  # metrics by epoch, counted from 0


@dataclass(frozen=True)
class Saved:
    """The state of a training after an epoch.

    Attributes:
        metrics: The metrics of every epoch so far.
        weights: The model's weights, then the optimizer's variables, as arrays.
        callbacks: By the name of each callback in the config, the attributes that can be stored.
        stopped: Whether a callback had ended the training.
    """

    metrics: Epochs
    weights: list[Any]
    callbacks: dict[str, dict[str, Any]]
    stopped: bool

    @property
    def epoch(self) -> int:
        """The last epoch, counted from 0."""
        return max(self.metrics)


class Backup(keras.callbacks.Callback):
    """Saves the state of a training after every epoch, and restores it.

    Keras has to call this callback after those whose state it saves, and before those that log or
    report an epoch: then every epoch that was logged was saved before.

    Args:
        folder: The trial's folder.
        callbacks: The callbacks whose state is saved, by their names in the config.

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
        """Restore the model of a training; the callbacks follow in `on_train_begin`.

        Args:
            model: The model, built and compiled.

        Returns:
            The saved state; None if there is none, and the model is as it was.
        """
        if not self._file.exists():
            return None
        saved: Saved = pickle.loads(self._file.read_bytes())  # noqa: S301
        model.optimizer.build(model.trainable_variables)
        restore(model, saved.weights)
        self._saved = saved
        self.metrics = dict(saved.metrics)
        return saved

    def on_train_begin(self, logs: object = None) -> None:  # noqa: ARG002
        """Restore the state of the callbacks, which have just reset themselves."""
        if self._saved:
            for name, state in self._saved.callbacks.items():
                vars(self._callbacks[name]).update(state)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Save the state."""
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
    if isinstance(value, FunctionType):  # pickled by its name, which a lambda lacks
        return "<" not in value.__qualname__
    return isinstance(value, PLAIN)
