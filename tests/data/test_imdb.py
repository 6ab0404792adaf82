import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rnnexp.data.imdb import Imdb, from_keras
from rnnexp.data.source import Corpus

INDEX = {"the": 1, "film": 2, "don't": 3}


def test_keras_ids_become_words_again() -> None:
    assert from_keras([[1, 2], [3]], [1, 0], INDEX) == Corpus(["the film", "don't"], [1, 0])


@pytest.mark.parametrize(
    ("task", "kind"), [("binary", np.int64), ("classes", np.int64), ("regression", np.float32)]
)
def test_every_task(monkeypatch: pytest.MonkeyPatch, task: str, kind: type) -> None:
    part = from_keras([[1, 2], [3]], [1, 0], INDEX)
    monkeypatch.setattr(Imdb, "read", lambda _: {"train": part, "test": part})
    dataset = Imdb(num_words=None, maxlen=3, split="whitespace", seed=0, task=task).load()
    y = dataset.test().y
    assert (y.dtype, y.tolist()) == (kind, [1, 0])


@pytest.mark.slow
def test_a_closed_network_is_one_clear_error(tmp_path: Path) -> None:
    closed = "http://127.0.0.1:9"
    environment = os.environ | {
        "KERAS_HOME": str(tmp_path),
        "https_proxy": closed,
        "HTTPS_PROXY": closed,
        "no_proxy": "",
    }
    ended = subprocess.run(
        [sys.executable, Path(__file__).parents[2] / "sweep.py", "-m", "data=imdb"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "data=imdb: Keras could not get its IMDB set" in ended.stderr
    assert "data=table" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert {file.name for file in tmp_path.iterdir()} <= {"datasets", "keras.json"}
