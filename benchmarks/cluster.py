"""Idle time of the workers of a Dask cluster, next to that of the local launcher.

    python benchmarks/cluster.py [--trials 60] [--workers 4] [--repeats 3] [--storage URL]

The same search, with jobs of 1 to 5 seconds that sleep and report five epochs, runs in turn on
`hydra/launcher=workers` and on `hydra/launcher=dask`, with a scheduler and workers of Dask that the
script starts on this machine. "Idle" is the share of the workers' time without a job, from the
start of the first job to the start of the last one: after that no job is left for a free worker.
"A trial" is the time of a worker from the end of a job to the start of its next one, in seconds.

Before that, calls that do nothing go in turn to a warm worker of either launcher, with as much to
send and to return as a job has. On a busy machine these times say more: the sweeps are the same but
for what a call takes.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import getitem
from pathlib import Path

from distributed import Client
from hydra.types import HydraContext
from omegaconf import OmegaConf

from rnnexp.execution.dask_jobs import DaskJobs, DaskSettings
from rnnexp.execution.hydra_job import Common
from rnnexp.execution.launching import ExecutorJobs, Jobs

SENT, RETURNED = 100_000, 40_000  # bytes, about what a job of the project has
JOB = Path(__file__).with_name("sleeping.py")
SWEEP = (
    "hydra/sweeper=rnnexp", "hydra.sweeper.pausing=null", "seconds=interval(1,5)",
    "hydra.sweeper.sampler._target_=optuna.samplers.RandomSampler", "+hydra.sweeper.sampler.seed=1",
)  # fmt: skip


@dataclass(frozen=True)
class Idle:
    """How long workers had no job.

    Attributes:
        share: The share of the workers' time.
        trial: The seconds between two jobs of a worker, mean.
        first: The seconds from the command to the start of the first job.
        whole: The seconds of the command.
    """

    share: float
    trial: float
    first: float
    whole: float

    def __str__(self) -> str:
        return f"{self.share:.1%} | {self.trial:.3f} | {self.first:.1f} | {self.whole:.1f}"


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[str]:
    """Start a scheduler and workers with one thread each, and yield the scheduler's address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    address = f"tcp://127.0.0.1:{port}"
    worker = "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"
    commands = [("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")]
    commands += [(*worker, "--local-directory", str(folder))] * workers
    dask = sys.executable, "-m", "dask"
    with (folder / "log").open("wb") as log:
        running = [
            subprocess.Popen([*dask, *command], cwd=folder, stdout=log, stderr=log)
            for command in commands
        ]
        try:
            with Client(address, timeout=120, set_as_default=False) as client:
                client.wait_for_workers(workers, timeout=120)
            yield address
        finally:
            for process in running:
                process.kill()  # a worker whose scheduler ends with it may never end by itself
            for process in running:
                process.wait()


def round_trips(address: str, calls: int) -> dict[str, list[float]]:
    """Return the milliseconds of calls that do nothing, by launcher, in turn."""
    common = Common(HydraContext(None, []), OmegaConf.create(), time.sleep)  # type: ignore[arg-type]
    executor = OmegaConf.create({"_target_": "rnnexp.execution.executors.WorkerExecutor"})
    found: dict[str, list[float]] = {"workers": [], "dask": []}
    with (
        ExecutorJobs(executor, 1, common) as local,
        DaskJobs(DaskSettings(address=address, n_jobs=1), common) as dask,
    ):
        if problems := dask.problems():
            raise SystemExit(problems)
        launchers: dict[str, Jobs] = {"workers": local, "dask": dask}
        for number in range(calls + 10):
            for name, jobs in launchers.items():
                began = time.perf_counter()
                jobs.n_jobs  # noqa: B018  # as the loop asks before it submits
                jobs.call(getitem, os.urandom(SENT), slice(RETURNED)).result()
                if number >= 10:  # all slots of Dask are warm
                    found[name].append(1000 * (time.perf_counter() - began))
    return found


def idle(launcher: tuple[str, ...], trials: int, workers: int, storage: str) -> Idle:
    """Run a search, and return how long its workers had no job."""
    with tempfile.TemporaryDirectory() as name:
        files = Path(name, "times")
        files.mkdir()
        began = time.time()
        subprocess.run(
            [
                sys.executable, JOB, "-m", *SWEEP, *launcher, f"times={files}",
                f"hydra.sweeper.n_trials={trials}", f"hydra.sweeper.n_jobs={workers}",
                f"hydra.sweeper.storage={storage}",
            ],
            cwd=name, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        whole = time.time() - began
        times = [tuple(map(float, file.read_text().split())) for file in files.iterdir()]
    first, last = min(begin for begin, _ in times), max(begin for begin, _ in times)
    busy = sum(max(0.0, min(end, last) - begin) for begin, end in times)
    without = workers * (last - first) - busy
    return Idle(
        share=without / (workers * (last - first)),
        trial=without / (len(times) - 1),
        first=first - began,
        whole=whole,
    )


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--storage", default="sqlite:///optuna.db")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name, cluster(Path(name), options.workers) as address:
        calls = round_trips(address, options.calls)
        print("| launcher | a call, ms: median | lower quartile | upper |\n|---|---|---|---|")
        for launcher, times in calls.items():
            lower, median, upper = statistics.quantiles(times, n=4)
            print(f"| {launcher} | {median:.0f} | {lower:.0f} | {upper:.0f} |")
        print("\n| launcher | idle | a trial | first job | command |\n|---|---|---|---|---|")
        launchers = {
            "workers": ("hydra/launcher=workers",),
            "dask": ("hydra/launcher=dask", f"hydra.launcher.address={address}"),
        }
        found: dict[str, list[Idle]] = {launcher: [] for launcher in launchers}
        for _ in range(options.repeats):
            for launcher, overrides in launchers.items():
                one = idle(overrides, options.trials, options.workers, options.storage)
                found[launcher].append(one)
                print(f"| {launcher} | {one} |", flush=True)
    if not options.repeats:
        return
    means = {name: statistics.mean(one.trial for one in each) for name, each in found.items()}
    print(f"\nDask, a trial: {means['dask'] - means['workers']:+.3f} s next to the local workers")


if __name__ == "__main__":
    main()
