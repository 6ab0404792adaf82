from pathlib import Path

import numpy as np
import pytest

from rnnexp.data import cache
from rnnexp.data.dataset import Part


def test_an_encoding_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        cache.get({"a": 1}, fail)
    assert list((tmp_path / "rnnexp").iterdir()) == []


def test_of_two_processes_that_encode_at_once_one_wins() -> None:
    def encode(folder: Path) -> None:
        cache.get({"b": 1}, lambda other: cache.write_meta(other, {"by": "the faster"}))
        cache.write_meta(folder, {"by": "the slower"})

    folder = cache.get({"b": 1}, encode)
    assert cache.read_meta(folder) == {"by": "the faster"}
    assert not list(folder.parent.glob("draft-*"))


def test_an_array_that_could_run_code_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x_train.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects"):
        Part.open(tmp_path, "train")
