import errno
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from rnnexp.atomic import remove_folder
from rnnexp.cache_folder import cache_folder
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


def test_where_files_cant_be_locked_one_of_two_processes_wins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)

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


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return cache_folder()


@contextmanager
def process(root: Path, key: str, after: str) -> Iterator[subprocess.Popen[str]]:
    """Run a process that gets data of a key from the cache, and waits while or after it encodes."""
    code = f"""
import sys
from rnnexp.data import cache
def encode(folder):
    (folder / "x").write_bytes(bytes(1000))
    {"pass" if after else "wait()"}
def wait():
    print("waiting", flush=True)
    sys.stdin.read()
cache.get({{"key": {key!r}}}, encode)
wait()
"""
    environment = os.environ | {"XDG_CACHE_HOME": str(root.parent)}
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as running:
        assert running.stdout
        assert running.stdout.readline() == "waiting\n"
        yield running
        running.kill()


def test_of_two_processes_that_begin_at_once_one_encodes(root: Path) -> None:
    def never(folder: Path) -> None:  # noqa: ARG001
        raise AssertionError("these data are being encoded")

    with process(root, "same", after="") as first, ThreadPoolExecutor() as pool:
        second = pool.submit(cache.get, {"key": "same"}, never)
        time.sleep(0.5)
        assert not second.done()
        assert first.stdin
        first.stdin.close()
        assert (second.result(20) / "x").exists()
    assert not list(root.glob("*.lock"))


def make_older(folder: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(folder, (then, then))


def some_data(number: int, size: int = 1000) -> Path:
    return cache.get({"number": number}, lambda folder: fill(folder, size))


def fill(folder: Path, size: int) -> None:
    (folder / "x").write_bytes(bytes(size))


def test_the_draft_of_a_killed_encoding_is_removed(root: Path) -> None:
    with process(root, "killed", after="") as killed:
        killed.kill()
    (abandoned,) = root.glob("draft-*")
    with process(root, "alive", after=""):
        (alive,) = set(root.glob("draft-*")) - {abandoned}
        assert list(alive.rglob("x"))
        some_data(0)
        assert abandoned.exists()  # as new as one that is not locked yet
        for draft in (abandoned, alive):
            make_older(draft, 90)
        some_data(1)
        assert list(root.glob("draft-*")) == [alive]


def encoded(root: Path, ages: dict[str, float]) -> None:
    for name, age in ages.items():
        folder = root / (name * 32)
        folder.mkdir(parents=True)
        fill(folder, 1000)
        make_older(folder, age)


@pytest.mark.parametrize(
    ("max_age", "max_bytes", "left"),
    [
        (1000, 10_000, "abcd"),
        (250, 10_000, "ab"),
        (1000, 2500, "ab"),
        (1000, 2000, "ab"),
        (150, 1500, "a"),
        (1000, 0, ""),
    ],
)
def test_what_is_read_least_recently_is_removed(
    root: Path, max_age: float, max_bytes: int, left: str
) -> None:
    encoded(root, {"b": 200, "a": 100, "d": 400, "c": 300})
    cache.evict(root, max_age, max_bytes)
    assert sorted(folder.name for folder in root.iterdir()) == [name * 32 for name in left]


def test_data_in_use_stay(root: Path) -> None:
    with process(root, "used", after="encoding"):
        (used,) = root.iterdir()
        mine = some_data(0)
        cache.evict(root, -1, 0)
        assert set(root.iterdir()) == {used, mine}
    cache.evict(root, -1, 0)
    assert set(root.iterdir()) == {mine}


def test_reading_makes_data_new_and_removed_data_are_encoded_again(root: Path) -> None:
    folder = some_data(0)
    make_older(folder, 10**9)
    assert some_data(0) == folder
    cache.evict(root)
    assert time.time() - folder.stat().st_mtime < 60
    remove_folder(folder)
    assert not list(root.iterdir())
    assert (some_data(0) / "x").stat().st_size == 1000
