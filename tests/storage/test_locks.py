"""Locks, also on a file system that has none."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient

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
# Says whether a lock was free, and holds it until it is killed.
HOLD = """
import sys, time
from pathlib import Path
from rnnexp.storage.locks import locked
with locked(Path(sys.argv[1]), wait=False) as has_lock:
    print(has_lock, flush=True)
    time.sleep(1000 if has_lock else 0)
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


def without_locks(no_locks: Path, folder: Path, number: int) -> dict[str, str]:
    return os.environ | {
        "LD_PRELOAD": str(no_locks), "NO_LOCKS": str(folder.resolve()),
        "NO_LOCKS_ERRNO": str(number),
    }  # fmt: skip


def run(
    no_locks: Path, folder: Path, number: int, *command: str, **env: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=without_locks(no_locks, folder, number) | env,
        capture_output=True, text=True, check=False,
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


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EBADF])  # EBADF: NFS, of a folder
def test_locks_of_this_machine_stand_in_for_flock(
    no_locks: Path, tmp_path: Path, number: int
) -> None:
    ended = run(no_locks, tmp_path, number, "-c", ASK, ".", ONLY_FLOCK="1")
    assert ended.stdout.splitlines() == ["None", "locked"]
    assert list(tmp_path.iterdir()) == []
    command = sys.executable, "-c", HOLD
    env = without_locks(no_locks, tmp_path, number) | {"ONLY_FLOCK": "1"}
    (tmp_path / "other").mkdir()
    with subprocess.Popen(
        [*command, "."], cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "True\n"
        again = subprocess.run(
            [*command, tmp_path], env=env, capture_output=True, text=True, check=False
        )
        assert again.stdout == "False\n"
        with subprocess.Popen(
            [*command, "other"], cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True
        ) as other:
            assert other.stdout
            assert other.stdout.readline() == "True\n"
            other.kill()
        holder.kill()
    after = run(no_locks, tmp_path, number, "-c", ASK, ".", ONLY_FLOCK="1")
    assert after.stdout.splitlines() == ["None", "locked"]


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


@pytest.mark.slow
def test_two_sweeps_share_a_study_where_there_is_no_flock(no_locks: Path, tmp_path: Path) -> None:
    env = without_locks(no_locks, tmp_path, errno.ENOSYS) | {"ONLY_FLOCK": "1"}
    script = str(ROOT / "docs" / "examples" / "app.py")
    sweep = [sys.executable, script, "-m", "hydra.sweeper.study_name=s", "hydra.sweeper.n_jobs=2"]
    first = subprocess.run(
        [*sweep, "hydra.sweeper.n_trials=4"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert first.returncode == 0, first.stderr
    both = [
        subprocess.Popen(
            [*sweep, "hydra.sweeper.n_trials=12", "hydra.sweeper.resume=s"], cwd=tmp_path, env=env,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]  # fmt: skip
    assert [sweep.wait() for sweep in both] == [0, 0]
    study = optuna.load_study(study_name="s", storage=f"sqlite:///{tmp_path}/optuna.db")
    assert len(study.trials) == 12
    assert {trial.state.name for trial in study.trials} <= {"COMPLETE", "PRUNED"}
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name != 'Default'")
    runs = client.search_runs([experiment.experiment_id])
    trials = [run.data.tags["trial"] for run in runs if "trial" in run.data.tags]
    assert sorted(map(int, trials)) == list(range(12))
