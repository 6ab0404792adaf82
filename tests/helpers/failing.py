"""Callbacks with which a trial fails, dies or is slow on purpose."""

import os
import signal
import time
from pathlib import Path

import keras

from rnnexp.storage.schema import Files
from rnnexp.training.backup_file import dump, load


class FailAt(keras.callbacks.Callback):
    """A callback that raises at the end of an epoch, in models with a given number of units."""

    def __init__(self, epoch: int, units: int) -> None:
        super().__init__()
        self.epoch = epoch
        self.units = units

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002
        if epoch == self.epoch and self.model.layers[1].units == self.units:
            raise RuntimeError("out of luck")


class KillAt(FailAt):
    """A callback that kills its own process, as the system does when memory runs out."""

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002
        if epoch == self.epoch and self.model.layers[1].units == self.units:
            os.kill(os.getpid(), signal.SIGKILL)


class AppendAtEnd(keras.callbacks.Callback):
    """A callback that appends rows to a file when training ends, as another program may."""

    def __init__(self, file: str, rows: str) -> None:
        super().__init__()
        self.file = Path(file)
        self.rows = rows

    def on_train_end(self, logs: object = None) -> None:  # noqa: ARG002
        self.file.write_text(self.file.read_text() + self.rows)


class DamageBackup(keras.callbacks.Callback):
    """A callback that damages the backup of a training once, when the training first ends."""

    def __init__(self, folder: str, kind: str) -> None:
        super().__init__()
        self.file = Path(folder, Files.BACKUP)
        self.kind = kind

    def on_train_end(self, logs: object = None) -> None:  # noqa: ARG002
        mark = self.file.with_name("damaged")
        if mark.exists():
            return
        mark.touch()
        content = self.file.read_bytes()
        if self.kind == "missing":
            self.file.unlink()
        elif self.kind == "empty":
            self.file.write_bytes(b"")
        elif self.kind == "torn":
            self.file.write_bytes(content[: len(content) // 2])
        elif self.kind == "other":
            self.file.write_bytes(dump(load(content) | {"run_id": "another"}))


class KillAsOftenAs(keras.callbacks.Callback):
    """A callback that kills its own process at the end of an epoch, as often as a file says."""

    def __init__(self, epoch: int, file: str) -> None:
        super().__init__()
        self.epoch = epoch
        self.file = Path(file)

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002
        times = int(self.file.read_text()) if self.file.exists() else 0
        if epoch == self.epoch and times:
            self.file.write_text(str(times - 1))
            os.kill(os.getpid(), signal.SIGKILL)


class KillIn(keras.callbacks.Callback):
    """A callback that kills its own process once, at an epoch of the fold of a given name."""

    def __init__(self, epoch: int, name: str, file: str) -> None:
        super().__init__()
        self.epoch = epoch
        self.name = name
        self.file = file  # a text, which each fold moves into its own folder

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002
        file = Path(self.file)
        if epoch == self.epoch and file.parent.name == self.name and not file.exists():
            file.touch()
            os.kill(os.getpid(), signal.SIGKILL)


class Trace(keras.callbacks.Callback):
    """A callback that leaves a file when training ends, for whatever reason."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = Path(folder)

    def on_train_end(self, logs: object = None) -> None:  # noqa: ARG002
        (self.folder / "train_end").touch()


class Slow(keras.callbacks.Callback):
    """A callback that waits in each epoch, so that a process can be killed in mid-epoch."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002
        time.sleep(self.seconds)
