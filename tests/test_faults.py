"""Processes that are really killed, at random moments; afterwards every trial is stored once.

In full, which takes some 10 minutes: `pytest -m slow tests/test_faults.py --kills 20`. The moments
and the victims are drawn with a seed, which the report's header and each failure show; `--seed N`
draws the same moments and victims again.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
import psutil
import pytest
from mlflow.tracking import MlflowClient
from optuna.trial import TrialState
from sqlalchemy.pool import NullPool

from rnnexp.storage.outbox import deliver_all
from rnnexp.sweep.audit import audit
from tests.helpers.commands import ROOT, TINY, Ended, metrics
from tests.helpers.mlflow_server import mlflow_server
from tests.helpers.ports import free_port
from tests.helpers.postgres import Postgres, postgres_server
from tests.helpers.processes import WITH_PYTEST

pytestmark = pytest.mark.slow
N_TRIALS, EPOCHS = 5, 4
LIMIT = 900  # seconds, for a machine with other work
SWEEP = (
    sys.executable, str(ROOT / "sweep.py"), "-m", *TINY, f"fit.epochs={EPOCHS}",
    "sampler=random", "pruner=none", "hydra.sweeper.n_jobs=2",
    f"hydra.sweeper.n_trials={N_TRIALS}",
    "+callbacks.slow={_target_:tests.helpers.failing.Slow,seconds:0.2}",
)  # fmt: skip
# For tests that need no Keras: importing TensorFlow would take most of their time.
APP = (
    sys.executable, str(ROOT / "tests" / "helpers" / "slow_app.py"), "-m", f"steps={EPOCHS}",
    "hydra.sweeper.tracking.experiment=rnnexp", "hydra.sweeper.n_jobs=2",
    "hydra.sweeper.pruner._target_=optuna.pruners.NopPruner",
    f"hydra.sweeper.n_trials={N_TRIALS}",
)  # fmt: skip
# The folder of a sweep: its own, or that of its stores as well.
FOLDERS = ("multirun/s", ".")
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a sweep in the test's folder, or in a given folder."""
    started = []

    def run(
        *arguments: str,
        path: Path = tmp_path,
        command: Sequence[str] = SWEEP,
        folder: str = FOLDERS[0],
    ) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1"}
        sweep = subprocess.Popen(
            [*WITH_PYTEST, *command, f"hydra.sweep.dir={folder}", *arguments],
            cwd=path, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        started.append(sweep)
        return sweep

    yield run
    for sweep in started:
        sweep.kill()
        if sweep.stdout and not sweep.stdout.closed:
            sweep.communicate()


def load_study(url: str) -> optuna.Study:
    """Load the study without a connection pool, which nobody would close."""
    storage = optuna.storages.RDBStorage(url, engine_kwargs={"poolclass": NullPool})
    return optuna.load_study(study_name="s", storage=storage)


def study_in(path: Path, storage: str = "") -> optuna.Study | None:
    if not ((path / "multirun" / "s").exists() or (path / "0").exists()):
        return None  # an earlier look would make the database's tables while the sweep makes them
    try:
        return load_study(storage or f"sqlite:///{path}/optuna.db")
    except Exception:  # not there yet
        return None


def wait_for_a_trial(path: Path, sweep: subprocess.Popen[str], storage: str = "") -> None:
    """Wait until a trial has reported its first epoch."""
    while sweep.poll() is None:
        study = study_in(path, storage)
        if study and any(trial.intermediate_values for trial in study.trials):
            return
        time.sleep(0.1)
    pytest.fail(f"the sweep ended by itself: {sweep.communicate()[0]}")


def workers(sweep: subprocess.Popen[str]) -> list[psutil.Process]:
    return [child for child in psutil.Process(sweep.pid).children() if is_worker(child)]


def is_worker(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in str(process.cmdline())
    except psutil.NoSuchProcess:  # killed a moment ago
        return False


def assert_all_accounted_for(
    path: Path, n_trials: int = N_TRIALS, ended: Ended | None = None, folder: str = FOLDERS[0]
) -> None:
    ended = ended or Ended(path, 0, "", "")
    trials = ended.study("s").trials
    assert [trial.number for trial in trials] == list(range(n_trials))
    parent, *runs = ended.runs()
    assert parent.info.status == "FINISHED"
    assert [run.data.tags["trial"] for run in runs] == [str(n) for n in range(n_trials)]
    for trial, run in zip(trials, runs, strict=True):
        assert trial.state == TrialState.COMPLETE
        assert run.info.status == "FINISHED"
        assert run.data.tags["state"] == "COMPLETE"
        assert "reason" not in run.data.tags
        values = metrics(ended, run, "val_loss")
        assert [step for step, _ in values] == list(range(EPOCHS))
        assert run.data.metrics["epochs"] == EPOCHS
        assert run.data.metrics["seconds"] > 0.2 * EPOCHS
        assert dict(values) == pytest.approx(trial.intermediate_values)
        assert trial.value == pytest.approx(min(trial.intermediate_values.values()))
        assert not (path / folder / str(trial.number) / "backup.npz").exists()
    assert list(map(str, audit(ended.study("s"), ended.client))) == []


@pytest.fixture
def kills(pytestconfig: pytest.Config) -> int:
    return int(pytestconfig.getoption("--kills"))


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Draws by the option ``--seed`` and the test's name: the same whichever other tests run."""
    seed = request.config.getoption("--seed")
    print(f"the moments and the victims were drawn with --seed {seed}")  # noqa: T201
    return random.Random(f"{seed} {request.node.name}")  # noqa: S311


def draw_signals(rng: random.Random, kills: int) -> list[signal.Signals]:
    """Return as many SIGKILL as SIGTERM, in a random order."""
    signals = [(signal.SIGKILL, signal.SIGTERM)[number % 2] for number in range(kills)]
    rng.shuffle(signals)
    return signals


def assert_published(path: Path, out: str) -> None:
    """That the end of the sweep was not lost: the test part, the model, one checkpoint kept."""
    assert "test loss" in out, out
    assert "could not be logged" not in out
    parent = Ended(path, 0, "", "").runs()[0]
    assert {"test_loss", "test_accuracy"} <= set(parent.data.metrics)
    assert len(list(path.glob("mlruns/*/models/*/artifacts/MLmodel"))) == 1


@pytest.mark.parametrize("folder", FOLDERS, ids=["folders", "one_folder"])
def test_a_worker_is_killed(
    start: Start, tmp_path: Path, kills: int, rng: random.Random, folder: str
) -> None:
    n_trials = N_TRIALS + kills
    sweep = start(
        "hydra.sweeper.study_name=s", "hydra.sweeper.retries=100",
        f"hydra.sweeper.n_trials={n_trials}", folder=folder,
    )  # fmt: skip
    wait_for_a_trial(tmp_path, sweep)
    signals = draw_signals(rng, kills)
    while signals and sweep.poll() is None:
        time.sleep(rng.uniform(0, 5))  # some while a worker starts, some in the midst of a trial
        if sweep.poll() is None and (alive := workers(sweep)):
            rng.choice(alive).send_signal(signals.pop())
    out, _ = sweep.communicate(timeout=LIMIT)
    assert sweep.returncode == 0, out
    assert not signals
    assert_all_accounted_for(tmp_path, n_trials, folder=folder)
    assert_published(tmp_path, out)


@pytest.mark.parametrize("folder", FOLDERS, ids=["folders", "one_folder"])
def test_the_sweep_is_killed(
    start: Start, tmp_path: Path, kills: int, rng: random.Random, folder: str
) -> None:
    n_trials = f"hydra.sweeper.n_trials={N_TRIALS + kills}"
    sweep = start("hydra.sweeper.study_name=s", n_trials, folder=folder)
    wait_for_a_trial(tmp_path, sweep)
    for number in draw_signals(rng, kills):
        time.sleep(rng.uniform(0, 2))
        assert sweep.poll() is None, sweep.communicate()[0]
        old_workers = workers(sweep)
        sweep.send_signal(number)
        sweep.communicate(timeout=100)
        _, alive = psutil.wait_procs(old_workers, timeout=10)
        assert alive == []
        sweep = start("hydra.sweeper.resume=latest", n_trials, folder=folder)
        while not workers(sweep) and sweep.poll() is None:
            time.sleep(0.1)
    out, _ = sweep.communicate(timeout=LIMIT)
    assert sweep.returncode == 0, out
    assert_all_accounted_for(tmp_path, N_TRIALS + kills, folder=folder)
    assert_published(tmp_path, out)


def test_a_trial_that_hangs_is_killed_and_its_slot_goes_on(start: Start, tmp_path: Path) -> None:
    app = (sys.executable, str(ROOT / "tests" / "helpers" / "hanging_app.py"), "-m")
    sweep = start(
        "hydra.sweeper.study_name=s", "hydra.sweeper.params=null", "x=choice(1,2,3)", "+hang=1",
        "hydra.sweeper.trial_timeout=20", "hydra.sweeper.retries=0", "hydra.sweeper.n_jobs=1",
        "hydra.sweeper.n_trials=3", command=app,
    )  # fmt: skip
    out, _ = sweep.communicate(timeout=200)
    assert sweep.returncode == 0, out
    reason = "it ran for more than 20 seconds (trial_timeout)"
    assert reason in out
    ended = Ended(tmp_path, 0, "", "")
    trials = {trial.params["x"]: trial for trial in ended.study("s").trials}
    assert [trials[x].state for x in (1, 2, 3)] == [
        TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE,
    ]  # fmt: skip
    run = ended.runs("hanging_app")[1 + trials[1].number]
    assert (run.info.status, run.data.tags["reason"]) == ("FAILED", reason)
    assert list(map(str, audit(ended.study("s"), ended.client))) == []


def test_a_second_signal_ends_a_sweep_whose_trial_hangs(start: Start, tmp_path: Path) -> None:
    app = (sys.executable, str(ROOT / "tests" / "helpers" / "hanging_app.py"), "-m")
    sweep = start(
        "hydra.sweeper.study_name=s", "hydra.sweeper.params=null", "x=choice(1)", "+hang=1",
        "hydra.sweeper.n_jobs=1", command=app,
    )  # fmt: skip
    while not (tmp_path / "multirun" / "s" / "0" / "trial.json").exists():
        assert sweep.poll() is None, sweep.communicate()[0]
        time.sleep(0.1)
    time.sleep(3)
    for _ in range(2):
        sweep.send_signal(signal.SIGINT)
        time.sleep(1)
    out, _ = sweep.communicate(timeout=100)
    assert sweep.returncode == 130, out


@pytest.mark.parametrize(
    ("number", "command"), [(signal.SIGINT, SWEEP), (signal.SIGTERM, APP)], ids=["INT", "TERM"]
)
def test_a_sweep_ends_on_a_signal_and_is_resumed(
    start: Start, tmp_path: Path, number: signal.Signals, command: Sequence[str]
) -> None:
    sweep = start("hydra.sweeper.study_name=s", command=command)
    wait_for_a_trial(tmp_path, sweep)
    sweep.send_signal(number)
    out, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == 130, out
    assert "hydra.sweeper.resume=s" in out
    trials = study_in(tmp_path).trials
    running = {str(trial.number) for trial in trials if trial.state == TrialState.RUNNING}
    assert 1 <= len(running) <= 2
    parent, *runs = Ended(tmp_path, 0, "", "").runs()
    assert parent.info.status == "KILLED"
    stopped = {n: run for run in runs if (n := run.data.tags["trial"]) in running}
    # A trial whose job had not begun has no run yet.
    assert {n for n in running if trials[int(n)].intermediate_values} <= stopped.keys()
    assert {run.data.tags["state"] for run in stopped.values()} == {"INTERRUPTED"}
    assert {run.info.status for run in stopped.values()} == {"KILLED"}
    out, _ = start("hydra.sweeper.resume=s", command=command).communicate(timeout=LIMIT)
    assert_all_accounted_for(tmp_path)


def test_a_second_signal_ends_a_sweep_at_once(start: Start, tmp_path: Path) -> None:
    sweep = start("hydra.sweeper.study_name=s", "callbacks.slow.seconds=20")
    while not (study := study_in(tmp_path)) or not study.trials:
        time.sleep(0.1)
    time.sleep(3)
    sweep.send_signal(signal.SIGINT)
    time.sleep(1)
    sweep.send_signal(signal.SIGINT)
    out, _ = sweep.communicate(timeout=60)  # four epochs take longer than that
    assert sweep.returncode == 130, out


def share_a_study(start: Start, folder: Path, command: Sequence[str], limit: float = LIMIT) -> None:
    """Run two sweeps that work on one study, until both have ended well."""
    first = start("hydra.sweeper.study_name=s", "hydra.sweeper.n_jobs=1", command=command)
    wait_for_a_trial(folder, first)
    second = start("hydra.sweeper.resume=s", "hydra.sweeper.n_jobs=1", command=command)
    for sweep in (first, second):
        out, _ = sweep.communicate(timeout=limit)
        assert sweep.returncode == 0, out


def test_two_sweeps_share_a_study(start: Start, tmp_path: Path) -> None:
    share_a_study(start, tmp_path, APP)
    assert_all_accounted_for(tmp_path)


def test_mlflows_server_is_unreachable_for_a_while(start: Start, tmp_path: Path) -> None:
    with mlflow_server(tmp_path, port := free_port()):
        uri = f"hydra.sweeper.tracking.uri=http://127.0.0.1:{port}"
        sweep = start("hydra.sweeper.study_name=s", uri, command=APP)
        wait_for_a_trial(tmp_path, sweep)
    time.sleep(20)
    with mlflow_server(tmp_path, port):
        out, _ = sweep.communicate(timeout=200)
    assert sweep.returncode == 0, out
    assert list(tmp_path.rglob("*mlflow.outbox")) == []
    assert_all_accounted_for(tmp_path)


@dataclass
class OnServer(Ended):
    """A command that has ended, and whose stores are on a database server."""

    server: Postgres

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.server.here("mlflow"))

    def study(self, name: str | None = None) -> optuna.Study:  # noqa: ARG002
        return load_study(self.server.here("optuna"))


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


def test_the_database_server_is_unreachable_for_a_while(
    start: Start, tmp_path: Path, postgres: Postgres
) -> None:
    """The server holds both Optuna's storage and MLflow's store."""
    sweep = start(
        "hydra.sweeper.study_name=s", f"hydra.sweeper.storage={postgres.url}/optuna",
        f"hydra.sweeper.tracking.uri={postgres.url}/mlflow", command=APP,
    )  # fmt: skip
    wait_for_a_trial(tmp_path, sweep, f"{postgres.url}/optuna")
    postgres.stop()
    time.sleep(20)
    postgres.start()
    out, _ = sweep.communicate(timeout=LIMIT)
    assert sweep.returncode == 0, out
    assert list(tmp_path.rglob("*mlflow.outbox")) == []
    assert_all_accounted_for(tmp_path, ended=OnServer(tmp_path, 0, out, "", postgres))


def fill(file: Path) -> None:
    """Write a file until the disk is full."""
    with file.open("wb", buffering=0) as filler, pytest.raises(OSError, match="No space left"):
        while True:
            filler.write(bytes(4096))


def test_mlflows_disk_is_full_for_a_while(start: Start, tmp_path: Path, small_disk: Path) -> None:
    uri = f"hydra.sweeper.tracking.uri=sqlite:///{small_disk}/mlflow.db"
    sweep = start("hydra.sweeper.study_name=s", uri, command=APP)
    wait_for_a_trial(tmp_path, sweep)
    fill(small_disk / "filler")
    time.sleep(8)
    queued = list(tmp_path.rglob("*mlflow.outbox"))
    (small_disk / "filler").unlink()
    out, _ = sweep.communicate(timeout=200)
    assert sweep.returncode == 0, out
    assert queued
    assert list(tmp_path.rglob("*mlflow.outbox")) == []
    shutil.copy(small_disk / "mlflow.db", tmp_path)
    assert_all_accounted_for(tmp_path)


@pytest.mark.parametrize("place", ["artifacts", "folder", "storage", "files", "checkpoint"])
def test_one_disk_is_full_for_a_while(
    start: Start, tmp_path: Path, small_disk: Path, place: str
) -> None:
    """The disk of one place, or of every place, on which there is room, but for no more files."""
    path = small_disk if place == "files" else tmp_path
    arguments = {
        "folder": (f"hydra.sweep.dir={small_disk}/multirun/s",),
        "storage": (f"hydra.sweeper.storage=sqlite:///{small_disk}/optuna.db",),
        "checkpoint": (
            f"callbacks.model_checkpoint.filepath={small_disk}/${{hydra:job.num}}.keras",
        ),
    }.get(place, ())  # fmt: skip
    if place in ("artifacts", "folder"):
        name = {"artifacts": "mlruns", "folder": "multirun"}[place]
        (tmp_path / name).symlink_to(small_disk if place == "artifacts" else small_disk / name)
    sweep = start(
        "hydra.sweeper.study_name=s", *arguments, path=path,
        command=SWEEP if place == "checkpoint" else APP,
    )  # fmt: skip
    url = f"sqlite:///{small_disk}/optuna.db" if place in ("storage", "files") else ""
    wait_for_a_trial(path, sweep, url)
    use_up_files(small_disk) if place == "files" else fill(small_disk / "filler")
    time.sleep(12)
    for filler in small_disk.glob("filler*"):
        filler.unlink()
    out, _ = sweep.communicate(timeout=300)
    assert sweep.returncode == 0, out
    assert deliver_all(path)[1] == 0
    if place == "storage":
        shutil.copy(small_disk / "optuna.db", tmp_path)
    assert_all_accounted_for(path)
    logs = out + "".join(log.read_text() for log in path.rglob("*.log"))
    named = {
        "artifacts": f"No space left on device: '?{tmp_path}/mlruns",
        "folder": rf"(the disk was full|No space left on device): '?{small_disk}/multirun/s",
        "storage": r"Optuna's storage: \(sqlite3.OperationalError\) database or disk is full$",
        "files": r"Optuna's storage: \(sqlite3.OperationalError\) unable to open database file$",
        "checkpoint": f"the disk was full: {small_disk}/",
    }
    assert re.search(named[place], logs, re.MULTILINE), logs


def use_up_files(folder: Path) -> None:
    """Make files until the disk has no room for another."""
    with pytest.raises(OSError, match="No space left"):
        for n in range(10**6):
            (folder / f"filler{n}").touch()


def test_the_whole_disk_is_full_for_a_while(start: Start, small_disk: Path) -> None:
    sweep = start("hydra.sweeper.study_name=s", path=small_disk)
    wait_for_a_trial(small_disk, sweep)
    fill(small_disk / "filler")
    time.sleep(8)
    (small_disk / "filler").unlink()
    out, _ = sweep.communicate(timeout=200)
    assert sweep.returncode == 0, out
    assert_all_accounted_for(small_disk)
