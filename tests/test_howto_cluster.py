"""The clusters of docs/howto/cluster.md, started as the page says: by hand, and under SLURM."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from distributed.cli import dask_ssh

from rnnexp.storage.mlflow_server import server_problem
from tests.helpers.commands import EAGER, ROOT, TINY
from tests.helpers.docs import DOCS
from tests.helpers.ports import free_port
from tests.helpers.postgres import Postgres
from tests.test_faults import postgres  # noqa: F401

pytestmark = pytest.mark.slow
PAGE = (DOCS / "howto" / "cluster.md").read_text(encoding="utf-8")
SECONDS = 300
# A SLURM of one machine: a job runs in the background, as a copy of its script.
SBATCH = """#!/bin/bash
cat "$1" > job-$$.sh
setsid bash job-$$.sh > job-$$.log 2>&1 < /dev/null &
echo $! >> jobs
echo "Submitted batch job $!"
"""
APP = (sys.executable, str(DOCS / "examples" / "app.py"), "-m", "hydra/launcher=dask")


@contextmanager
def running(folder: Path, *command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command, and end it with all processes that it has started."""
    own = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    with (folder / "printed").open("wb") as out:
        process = subprocess.Popen(
            command, cwd=folder, env=own, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def is_listening(port: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0


def eventually(condition: Callable[[], object], folder: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, (folder / "printed").read_text()
        time.sleep(0.2)


def test_a_cluster_by_hand(
    postgres: Postgres,  # noqa: F811
    tmp_path: Path,
) -> None:
    for name in ("optuna", "mlflow"):  # which the page makes
        postgres.call("dropdb", "-h", "127.0.0.1", "-p", str(postgres.port), "-U", "test", name)
    ports = {name: str(free_port()) for name in ("5000", "8786")}
    given = {"HOST": "127.0.0.1", "USER": "test", "/shared/sweeps": str(tmp_path), **ports}
    servers, sweep = (
        re.sub("|".join(given), lambda match: given[match[0]], block)
        for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    )
    path = f"{Path(sys.executable).parent}:{postgres.programs}:{os.environ['PATH']}"
    environment = {"PATH": path, "PGPORT": str(postgres.port)}
    servers = servers.replace("mlflow server", "mlflow server --workers 1")  # not four processes
    with running(tmp_path, "bash", "-euc", f"{servers}\nwait", **environment):
        eventually(lambda: is_listening(ports["8786"]), tmp_path)
        mlflow = f"http://127.0.0.1:{ports['5000']}"
        eventually(lambda: server_problem(mlflow) is None, tmp_path)
        command = sweep.strip().replace("sweep.py", shlex.quote(str(ROOT / "sweep.py")))
        few = " ".join([*TINY, EAGER, "hydra.sweeper.n_trials=2", "hydra.sweeper.n_jobs=1"])
        done = subprocess.run(
            ["bash", "-euc", f"{command} {few}"],  # noqa: S607
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True, text=True, timeout=400, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 complete" in done.stdout
    assert (tmp_path / "late" / "0" / "sweep.log").exists()


def test_dask_ssh_takes_its_options() -> None:
    (line,) = re.findall(r"^    dask ssh (.+)$", PAGE, re.MULTILINE)  # no test has SSH hosts
    given = dask_ssh.main.make_context("ssh", shlex.split(line)).params
    assert given["hostnames"] == ("HOST", "HOST1", "HOST2")
    assert (given["n_workers"], given["nthreads"], given["scheduler_port"]) == (4, 1, 8786)


def test_a_cluster_of_slurm_jobs(tmp_path: Path) -> None:
    pytest.importorskip("dask_jobqueue")
    (tmp_path / "sbatch").write_text(SBATCH)
    (tmp_path / "sbatch").chmod(0o755)
    script = (DOCS / "examples" / "slurm_cluster.py").read_text()
    small = script.replace("=4,", "=1,").replace("16GB", "2GB")
    path = f"{tmp_path}:{os.environ['PATH']}"

    def has_worker() -> bool:
        return any("Registered" in log.read_text() for log in tmp_path.glob("job-*.log"))

    try:
        with running(tmp_path, sys.executable, "-c", small, PATH=path) as cluster:
            eventually(has_worker, tmp_path)
            (address,) = re.findall(r"tcp://\S+", (tmp_path / "printed").read_text())
            done = subprocess.run(
                [*APP, f"hydra.launcher.address={address}", "hydra.sweeper.n_trials=3"],
                cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
                capture_output=True, text=True, timeout=SECONDS, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
            assert cluster.poll() is None
    finally:
        for job in (tmp_path / "jobs").read_text().split():
            with suppress(ProcessLookupError):
                os.killpg(int(job), signal.SIGKILL)
    assert "3 complete" in done.stdout
