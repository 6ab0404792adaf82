"""The state of a training, saved after each epoch, from which a trial resumes if its process died.

Keras's BackupAndRestore keeps weights and epoch in two files, which disagree if the process dies
between writing one and the other. It also lets other callbacks start anew: EarlyStopping forgets
its patience, and ModelCheckpoint overwrites the best model with the next. Here the whole state is
in one file, which is replaced atomically, and which runs no code when it is read
(`rnnexp.training.backup_file`).
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from rnnexp.atomic import atomic_write
from rnnexp.errors import one_line
from rnnexp.storage.schema import Files
from rnnexp.training import backup_file
from rnnexp.training.callbacks import epoch_metrics
from rnnexp.training.model import restore, variables

log = logging.getLogger(__name__)

Epochs = dict[int, dict[str, float]]  # metrics by epoch, counted from 0


@dataclass(frozen=True)
class Saved:
    """The state of a training after an epoch.

    Attributes:
        metrics: The metrics of every epoch so far.
        weights: The model's weights, then the optimizer's variables, as arrays.
        callbacks: By the name of each callback in the config, the attributes that can be stored.
        stopped: Whether a callback had ended the training.
        run_id: The training's run in MLflow.
        folder: The trial's folder, which the callbacks' files are in.
        earlier: The metrics of every epoch of the trainings that came before, as of folds.
    """

    metrics: Epochs
    weights: list[Any]
    callbacks: dict[str, dict[str, Any]]
    stopped: bool
    run_id: str
    folder: str
    earlier: list[Epochs] = field(default_factory=list)

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
        run_id: The training's run in MLflow; a backup of another run is not restored.
        earlier: The metrics of the trainings of the trial that came before; a backup of another
            training is not restored.

    Attributes:
        metrics: The metrics of every epoch so far.
    """

    def __init__(
        self,
        folder: Path,
        callbacks: Mapping[str, keras.callbacks.Callback],
        run_id: str,
        earlier: Sequence[Epochs] = (),
    ) -> None:
        super().__init__()
        self._run_id = run_id
        self._earlier = list(earlier)
        self._folder = str(folder)
        self._file = folder / Files.BACKUP
        # What CSVLogger remembers is for the file that it has opened, where the rows are.
        self._callbacks = {
            name: callback
            for name, callback in callbacks.items()
            if not isinstance(callback, keras.callbacks.CSVLogger)
        }
        self._saved: Saved | None = None
        self.metrics: Epochs = {}

    def load(self, model: keras.Model) -> Saved | None:
        """Restore the model of a training; the callbacks follow in `on_train_begin`.

        Args:
            model: The model, built and compiled.

        Returns:
            The saved state; None if there is none that can be used, and the model is as it was.
        """
        saved = read(Path(self._folder), self._run_id)
        if saved is None or len(saved.earlier) != len(self._earlier):
            return None
        model.optimizer.build(model.trainable_variables)
        restore(model, saved.weights)
        self._saved = saved
        self.metrics = dict(saved.metrics)
        return saved

    def on_train_begin(self, logs: object = None) -> None:  # noqa: ARG002
        """Restore the state of the callbacks, which have just reset themselves."""
        if self._saved:
            moved = _moved(self._saved.callbacks, self._saved.folder, self._folder)
            for name, state in moved.items():
                _restore(self._callbacks[name], state)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Save the state."""
        self.metrics[epoch] = epoch_metrics(self.model, logs)
        saved = Saved(
            metrics=self.metrics,
            weights=[keras.ops.convert_to_numpy(v) for v in variables(self.model)],
            callbacks={
                name: backup_file.storable(vars(callback))
                for name, callback in self._callbacks.items()
            },
            stopped=self.model.stop_training,
            run_id=self._run_id,
            folder=self._folder,
            earlier=self._earlier,
        )
        atomic_write(self._file, backup_file.dump(vars(saved)))


def read(folder: Path, run_id: str) -> Saved | None:
    """Read the backup in a folder; one that is torn, or another run's, is reported and set aside.

    Args:
        folder: The trial's folder.
        run_id: The training's run in MLflow.

    Returns:
        The saved state; None if there is none that can be used.
    """
    file = folder / Files.BACKUP
    if not file.exists():
        return None
    content = file.read_bytes()
    try:
        saved = Saved(**backup_file.load(content))
    except Exception as error:  # whatever NumPy and zipfile raise on a torn file
        problem = f"can't be read: {type(error).__name__}: {one_line(error)}"
    else:
        if saved.run_id == run_id:
            return saved
        problem = f"is of another run, {saved.run_id}"
    aside = file.with_name(file.name + Files.UNREADABLE)
    file.replace(aside)
    log.warning("the backup %s; it is kept as %s, the training starts anew", problem, aside)
    return None


def move_files(callback: keras.callbacks.Callback, old: Path, new: Path) -> None:
    """Let a callback write into another folder, before its training begins.

    Args:
        callback: The callback.
        old: The folder that the callback's paths begin with.
        new: The folder in its place.
    """
    _restore(callback, _moved(backup_file.storable(vars(callback)), str(old), str(new)))


def _restore(callback: keras.callbacks.Callback, state: Mapping[str, Any]) -> None:
    """Give a callback its attributes back; a dict of a special kind is filled, not replaced."""
    for name, value in state.items():
        own = vars(callback).get(name)
        if isinstance(own, dict) and type(own) is not dict and isinstance(value, dict):
            own.clear()
            own.update(value)
        else:
            vars(callback)[name] = value


def _moved(state: Any, old: str, new: str) -> Any:
    """Return the state of callbacks with their files in another folder, as on another machine."""
    if isinstance(state, dict):
        return {_moved(key, old, new): _moved(value, old, new) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(_moved(part, old, new) for part in state)
    if isinstance(state, str) and (state == old or state.startswith(f"{old}/")):
        return new + state.removeprefix(old)
    return state
