"""What all peers search: the same reviews, model, space, number of trials and epochs.

Each peer is a script in this folder, in an environment of its own, without rnnexp. The script reads
its work from ``problem.npz`` and from the arguments of `work`, and leaves two things behind:
``record.jsonl``, a line for every epoch of every trial, and a checkpoint of each trial's best
epoch.
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

RECORD = "record.jsonl"
PATIENCE = 5  # of early stopping, as in rnnexp's default


@dataclass(frozen=True)
class Work:
    """One search.

    Attributes:
        folder: Where the search leaves its files; it has ``problem.npz``.
        trials: The number of trials.
        epochs: The most epochs of a trial.
        seed: Seed of the sampler and the models.
        prunes: Whether trials may end early, by what the peer has for it.
        processes: The number of processes, one for each core.
    """

    folder: Path
    trials: int
    epochs: int
    seed: int
    prunes: bool
    processes: int

    def data(self) -> dict[str, np.ndarray]:
        """Return the encoded reviews: ``x`` and ``y`` of ``train``, ``validation``, ``test``."""
        with np.load(self.folder / "problem.npz") as arrays:
            return dict(arrays)


def work() -> Work:
    """Read the work from the command line, as `run.py` writes it."""
    parser = argparse.ArgumentParser()
    for name in ("--folder", "--trials", "--epochs", "--seed", "--prunes", "--processes"):
        parser.add_argument(name, required=True)
    given, _ = parser.parse_known_args()
    return Work(
        Path(given.folder), int(given.trials), int(given.epochs), int(given.seed),
        given.prunes == "1", int(given.processes),
    )  # fmt: skip


def build(params: dict[str, Any], num_words: int) -> keras.Model:
    """Build and compile the tutorial's model."""
    model = keras.Sequential(
        [
            keras.layers.Embedding(num_words, params["embedding_size"]),
            keras.layers.SimpleRNN(params["units"]),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    optimizer = keras.optimizers.Adam(params["learning_rate"])
    model.compile(optimizer=optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    return model


def fit(
    work: Work, params: dict[str, Any], trial: str, callbacks: list[keras.callbacks.Callback]
) -> float:
    """Train one trial as the tutorial does, and return its lowest validation loss."""
    data = work.data()
    keras.utils.set_random_seed(work.seed)
    model = build(params, int(data["num_words"]))
    stop = [keras.callbacks.EarlyStopping(patience=PATIENCE)] if work.prunes else []
    history = model.fit(
        data["x_train"],
        data["y_train"],
        validation_data=(data["x_validation"], data["y_validation"]),
        batch_size=params["batch_size"],
        epochs=work.epochs,
        verbose=0,
        callbacks=[*own_callbacks(work, trial), *stop, *callbacks],
    )
    keras.backend.clear_session()
    return float(min(history.history["val_loss"]))


def own_callbacks(work: Work, trial: str) -> list[keras.callbacks.Callback]:
    """Return the callbacks of every trial: the best checkpoint, and the record."""
    file = work.folder / "checkpoints" / f"{trial}.keras"
    file.parent.mkdir(exist_ok=True)
    best = keras.callbacks.ModelCheckpoint(str(file), monitor="val_loss", save_best_only=True)
    return [best, Record(work.folder / RECORD, trial)]


class Record(keras.callbacks.Callback):
    """Appends a line for every epoch: when it ended, and its validation loss.

    Args:
        file: The file, which several processes append to.
        trial: The trial's name.
    """

    def __init__(self, file: Path, trial: str) -> None:
        super().__init__()
        self._file = file
        self._trial = trial

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Append a line."""
        value = float((logs or {})["val_loss"])
        line = {"time": time.time(), "trial": self._trial, "epoch": epoch, "value": value}
        with self._file.open("a") as file:
            file.write(json.dumps(line) + "\n")
