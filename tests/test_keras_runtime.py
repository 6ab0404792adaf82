import ast
import io
import json
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from rnnexp import keras_runtime
from rnnexp.errors import ConfigError
from tests.helpers.commands import ROOT


@pytest.mark.parametrize("has_compiled", [False, True])
def test_every_training_starts_with_a_new_session(has_compiled: bool) -> None:
    for _ in range(2):
        keras_runtime.new_session(has_compiled=has_compiled)
        assert keras.layers.Dense(1).name == "dense"
        assert keras.metrics.AUC().name == "auc"


def test_the_config_decides_on_the_backend(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    for _ in range(2):
        keras_runtime.choose("tensorflow", deterministic=False)
    assert os.environ["KERAS_BACKEND"] == "tensorflow"
    assert [record.message for record in caplog.records] == [
        "KERAS_BACKEND=torch in the environment is ignored: the config has backend=tensorflow"
    ]


def test_a_process_keeps_its_backend() -> None:
    with pytest.raises(ConfigError, match="backend=jax: this process has imported Keras with back"):
        keras_runtime.choose("jax", deterministic=False)


def names(tree: ast.AST) -> Iterator[str]:
    """Find the dotted names and texts of a module: imports, attributes and string constants."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield ast.unparse(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_no_module_names_a_private_module_of_keras() -> None:
    files = [*(ROOT / "rnnexp").rglob("*.py"), *(ROOT / "hydra_plugins").rglob("*.py")]
    assert len(files) > 100
    found = {
        (str(file.relative_to(ROOT)), name)
        for file in files
        for name in names(ast.parse(file.read_text(encoding="utf-8")))
        if name.startswith("keras.src")
    }
    assert found == {  # used with the version alone in which they were read
        ("rnnexp/keras_runtime.py", "keras.src.backend.common.global_state.set_global_attribute"),
        ("rnnexp/keras_runtime.py", "keras.src.saving.saving_lib.get_attr_skipset"),
    }


def test_the_private_names_are_those_of_the_installed_keras() -> None:
    assert keras.__version__.startswith(keras_runtime.PRIVATE_NAMES_OF)


def saved(file: Path) -> dict[str, object]:
    """Train and save a model; return what is in the file, but for the date."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    bidirectional = layers.Bidirectional(layers.GRU(4, kernel_regularizer="l2"))
    parts = [keras.Input((None,)), layers.Embedding(9, 4), bidirectional, layers.Dropout(0.1)]
    model = keras.Sequential([*parts, layers.Dense(1, activation="sigmoid")])
    model.compile("adam", loss="binary_crossentropy", metrics=["accuracy", keras.metrics.AUC()])
    model.fit(np.ones((8, 5)), np.ones((8, 1)), verbose=0)
    model.save(file)
    found: dict[str, object] = {}
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            if name == "metadata.json":
                found[name] = json.loads(content)["keras_version"]
            elif name.endswith(".h5"):
                with h5py.File(io.BytesIO(content)) as weights:
                    weights.visititems(
                        lambda path, item: (
                            found.update({path: np.array(item).tolist()})
                            if isinstance(item, h5py.Dataset)
                            else None
                        )
                    )
            else:  # an id is an address in memory
                text = re.sub(r'"shared_object_id": \d+', '"shared_object_id": 0', content.decode())
                found[name] = json.loads(text)
    return found


@pytest.mark.slow
def test_saved_models_are_equal_with_and_without_the_private_names(tmp_path: Path) -> None:
    keras.utils.clear_session()
    without = saved(tmp_path / "without.keras")
    keras_runtime.new_session()
    assert saved(tmp_path / "with.keras") == without
    assert len(without) > 10
