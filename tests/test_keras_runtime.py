from pathlib import Path

import keras
import numpy as np

from rnnexp import keras_runtime


def test_a_training_begins_as_the_first() -> None:
    for _ in range(2):
        keras_runtime.new_session()
        assert keras.layers.Dense(1).name == "dense"


def test_saving_a_model_makes_no_layer_to_look_at(tmp_path: Path) -> None:
    keras_runtime.new_session()
    keras_runtime.new_session()  # the first has looked
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(np.zeros((4, 2)), np.zeros(4), verbose=0)
    model.save(tmp_path / "model.keras")
    assert keras.layers.Layer().name == "layer"
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for ours, saved in zip(loaded.weights, model.weights, strict=True):
        assert np.array_equal(ours, saved)
    assert loaded.optimizer.iterations == model.optimizer.iterations
