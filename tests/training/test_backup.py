"""A training that breaks off and is resumed ends as a training that did not break off."""

from pathlib import Path

import keras
import numpy as np
import pytest

from rnnexp.training.backup import Backup

X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
Y = (X.sum(axis=1) > 0).astype("float32")
EPOCHS = 6


class Break(keras.callbacks.Callback):
    """Breaks the training off as a killed process would: no later callback is called."""

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002
        if epoch == 2:
            raise RuntimeError("killed")


def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    made = keras.Sequential(
        [keras.layers.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(1)]
    )
    made.compile(optimizer=keras.optimizers.Adam(0.05), loss="mse")
    return made


def callbacks(folder: Path) -> dict[str, keras.callbacks.Callback]:
    return {
        "stop": keras.callbacks.EarlyStopping(monitor="loss", patience=4, min_delta=10.0),
        "best": keras.callbacks.ModelCheckpoint(
            folder / "best.keras", monitor="loss", save_best_only=True
        ),
        "rate": keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=0, min_delta=10.0),
    }


def fit(folder: Path, *extra: keras.callbacks.Callback) -> tuple[keras.Model, Backup]:
    made, others = model(), callbacks(folder)
    backup = Backup(folder, others)
    saved = backup.load(made)
    initial = saved.epoch + 1 if saved else 0
    made.fit(
        X, Y, epochs=EPOCHS, initial_epoch=initial, shuffle=False, verbose=0,
        callbacks=[*others.values(), backup, *extra],
    )  # fmt: skip
    return made, backup


def test_a_resumed_training_ends_as_one_that_did_not_break_off(tmp_path: Path) -> None:
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    whole, expected = fit(tmp_path / "whole")
    with pytest.raises(RuntimeError, match="killed"):
        fit(tmp_path / "broken", Break())
    again, backup = fit(tmp_path / "broken")
    # The patience of EarlyStopping and the reductions of the learning rate were restored.
    assert list(backup.metrics) == list(expected.metrics)
    assert len(backup.metrics) < EPOCHS
    for epoch, metrics in expected.metrics.items():
        assert backup.metrics[epoch] == pytest.approx(metrics, rel=1e-5)
    for one, other in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_without_a_saved_state_nothing_is_restored(tmp_path: Path) -> None:
    assert Backup(tmp_path, {}).load(model()) is None
