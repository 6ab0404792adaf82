"""A training that breaks off and is resumed ends as a training that did not break off."""

import math
import pickle
import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from rnnexp.storage.schema import Files
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
        [
            keras.layers.Input((3,)),
            keras.layers.Dense(4),
            keras.layers.Dropout(0.5),  # with a random generator, whose state is saved as well
            keras.layers.Dense(1),
        ]
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
    backup = Backup(folder, others, "a run")
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


def test_a_training_goes_on_in_another_folder(tmp_path: Path) -> None:
    """As on another machine, where the folder of a trial has another name."""
    old, new = tmp_path / "a" / "0", tmp_path / "b" / "0"
    old.mkdir(parents=True)
    with pytest.raises(RuntimeError, match="killed"):
        fit(old, Break())
    shutil.copytree(old, new)
    shutil.rmtree(old)
    backup = Backup(new, others := callbacks(new), "a run")
    assert backup.load(model())
    backup.on_train_begin()
    assert vars(others["best"])["filepath"] == str(new / "best.keras")
    fit(new)
    assert not old.exists()


def test_without_a_saved_state_nothing_is_restored(tmp_path: Path) -> None:
    assert Backup(tmp_path, {}, "a run").load(model()) is None


@pytest.mark.parametrize(
    ("torn", "problem"),
    [
        (lambda _: b"", "can't be read: EOFError"),
        (lambda content: content[: len(content) // 2], "can't be read: BadZipFile"),
        (lambda content: content.replace(b"epoch", b"hcope"), "can't be read"),
        (lambda _: pickle.dumps({"metrics": {}}), "can't be read: ValueError"),
        (lambda content: bytes(len(content)), "can't be read: ValueError"),
    ],
    ids=["empty", "half", "changed", "pickle", "zeros"],
)
def test_a_torn_backup_is_set_aside_and_the_training_starts_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, torn: Callable[[bytes], bytes], problem: str
) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        fit(tmp_path, Break())
    file = tmp_path / Files.BACKUP
    content = torn(file.read_bytes())
    file.write_bytes(content)
    assert Backup(tmp_path, callbacks(tmp_path), "a run").load(model()) is None
    assert problem in caplog.text
    assert not file.exists()
    assert (tmp_path / f"{Files.BACKUP}.unreadable").read_bytes() == content


def test_a_backup_of_another_run_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fit(tmp_path)
    assert Backup(tmp_path, {}, "another run").load(model()) is None
    assert "the backup is of another run, a run; it is kept as" in caplog.text


class Keeping(keras.callbacks.Callback):
    """A callback with attributes of every kind."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = {
            "plain": [None, True, 3, 0.1, math.nan, -math.inf, 2**70, "텍스트"],
            1: (1, (2.5, [])),
            "array": np.arange(6, dtype="int16").reshape(2, 3),
            "number": np.float64(0.1),
            ("a", 2): {"deep": np.bool_(True)},
        }
        self.compare = (np.less, keras.ops.greater)
        self.counts: defaultdict[str, int] = defaultdict(int, {"a": 1})
        self.unstorable = [np.array([object()]), np.load, lambda: None, {1, 2}]


def test_the_attributes_of_a_callback_come_back_as_they_were(tmp_path: Path) -> None:
    saving = Keeping()
    backup = Backup(tmp_path, {"keeping": saving}, "a run")
    made = model()
    made.fit(X, Y, epochs=1, verbose=0, callbacks=[saving, backup])
    restored = Keeping()
    restored.kept, restored.compare, restored.counts["a"] = {}, (), 5
    mine, restored.unstorable = restored.counts, ["its own"]
    again = Backup(tmp_path, {"keeping": restored}, "a run")
    assert again.load(model())
    again.on_train_begin()
    np.testing.assert_equal(restored.kept, saving.kept)
    assert repr(restored.kept) == repr(saving.kept)  # the types as well
    assert restored.compare == saving.compare
    assert restored.counts is mine
    assert restored.counts == {"a": 1}
    assert restored.counts["new"] == 0
    assert restored.unstorable == ["its own"]


def test_weights_of_half_precision_come_back(tmp_path: Path) -> None:
    def half() -> keras.Model:
        made = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1, dtype="bfloat16")])
        made.compile(optimizer="adam", loss="mse")
        return made

    made, backup = half(), Backup(tmp_path, {}, "a run")
    made.fit(X, Y, epochs=1, verbose=0, callbacks=[backup])
    again = half()
    assert Backup(tmp_path, {}, "a run").load(again)
    for one, other in zip(made.get_weights(), again.get_weights(), strict=True):
        assert one.tobytes() == other.tobytes()
