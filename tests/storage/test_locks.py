"""Locks, also on a file system that has none."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rnnexp.storage.locks import lock_problem, locked
from tests.helpers.commands import ROOT

GCC = shutil.which("gcc")
ASK = """
import sys
from pathlib import Path
from rnnexp.storage.locks import lock_problem, locked
print(lock_problem(Path(sys.argv[1])))
with locked(Path(sys.argv[1])):
    print("locked")
"""
REFUSED = "has no locks ({}), without which two processes would write at once: keep the databases"


@pytest.fixture(scope="module")
def no_locks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that takes the locks of a folder away."""
    if not GCC:
        pytest.skip("gcc is not installed")
    library = tmp_path_factory.mktemp("library") / "no_locks.so"
    source = ROOT / "tests" / "helpers" / "no_locks.c"
    subprocess.run([GCC, "-shared", "-fPIC", "-o", library, source], check=True)
    return library


def run(
    no_locks: Path, folder: Path, number: int, *command: str
) -> "subprocess.CompletedProcess[str]":
    env = {
        "LD_PRELOAD": str(no_locks), "NO_LOCKS": str(folder.resolve()),
        "NO_LOCKS_ERRNO": str(number),
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=os.environ | env, capture_output=True,
        text=True, check=False,
    )  # fmt: skip


def test_locks_that_hold(tmp_path: Path) -> None:
    assert lock_problem(tmp_path) is None
    assert lock_problem(tmp_path / "not" / "there") is None
    with locked(tmp_path):
        assert lock_problem(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_a_file_system_that_refuses_locks(no_locks: Path, tmp_path: Path, number: int) -> None:
    ended = run(no_locks, tmp_path, number, "-c", ASK, ".")
    asked, *_ = ended.stdout.splitlines()
    assert asked.startswith(f"the file system of {tmp_path}")
    assert REFUSED.format(os.strerror(number)) in asked
    assert "StoreError: the file system of" in ended.stderr
    assert "locked" not in ended.stdout.splitlines()


def test_a_file_system_that_gives_a_lock_to_everybody(no_locks: Path, tmp_path: Path) -> None:
    ended = run(no_locks, tmp_path, 0, "-c", ASK, ".")
    assert REFUSED.format("they are given to everybody") in ended.stdout.splitlines()[0]


def test_another_folder_has_locks(no_locks: Path, tmp_path: Path) -> None:
    ended = run(no_locks, tmp_path, errno.ENOSYS, "-c", ASK, "/tmp")  # noqa: S108
    assert ended.stdout.splitlines() == ["None", "locked"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [errno.ENOSYS, 0])
def test_a_sweep_is_refused_and_leaves_nothing(no_locks: Path, tmp_path: Path, number: int) -> None:
    script = str(ROOT / "docs" / "examples" / "app.py")
    ended = run(no_locks, tmp_path, number, script, "-m", "hydra/launcher=in_process")
    assert ended.returncode == 1
    assert ended.stderr.count("has no locks") == 1
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []
