"""What many workers ask of a study's database and of MLflow's server, and what these take here.

    python benchmarks/scale.py [--running 10 100 1000] [--workers 25 50 100 200]

Starts PostgreSQL and `mlflow server`. The first table counts what one trial costs in a study in
which some number of other trials are running: SQL statements, HTTP requests, and milliseconds of
processor time of each process, for the steps of a trial as a sweep and a job take them. "ask" and
"finish" are the sweep's, "open" and "epoch" the job's. Nothing waits there: the store's own time
counts.

In the second table, simulated workers do the same in their own rhythm: trials of 30 epochs, one
every 2 s, each worker with its own connection, one sweep for all. The number of workers grows until
an epoch's writes take longer than an epoch. The simulated workers need the processor, too, so the
table has the cores that each part took.
"""

import argparse
import logging
import multiprocessing
import queue
import signal
import statistics
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import psutil
from growth import OBJECTIVE, SPACE
from omegaconf import OmegaConf
from optuna.trial import TrialState, create_trial
from servers import Servers, servers

from rnnexp.execution.attempt import begin_attempt
from rnnexp.execution.current_trial import StudyTrial, trial_of_job
from rnnexp.library_defaults import set_library_defaults
from rnnexp.objectives import Objectives
from rnnexp.result import Result, State
from rnnexp.search.sampling import DistinctSampler
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.storage.optuna_store import open_storage, stored_trial
from rnnexp.storage.retry import retry_transient
from rnnexp.storage.schema import Artifacts, Kind, StudyAttrs, TrialAttrs
from rnnexp.storage.study_lock import study_lock
from rnnexp.sweep.budget import Budget
from rnnexp.sweep.heartbeat import Heartbeat
from rnnexp.sweep.loop_callbacks import ReadTrials
from rnnexp.sweep.paused_trials import PausedTrials
from rnnexp.sweep.progress_metrics import Progress
from rnnexp.sweep.scheduler import Scheduler
from rnnexp.sweep.trial_ledger import TrialLedger

EPOCHS, RHYTHM = 30, 2.0  # of a trial, and the seconds of one
BUDGET = Budget(Objectives(OBJECTIVE), n_trials=1_000_000, patience=1_000_000)
Turn = Callable[..., int]  # of a sweep: a trial that has ended, and its result, to the next trial
PRUNER = {
    "_target_": "rnnexp.pruning.EarlyStoppingPruner",
    "patience": 2,
    "quantile": 0.0,
    "only_worsening": True,
}


def curve(rng: np.random.Generator, epochs: int = EPOCHS) -> list[float]:
    """Return the losses of a trial, which fall, but not at every epoch."""
    return [1 / (epoch + 2) + 0.02 * float(rng.random()) for epoch in range(epochs)]


class Sweep:
    """The sweep's side of a study: ask, and finish, as `rnnexp.sweep.loop` does.

    Args:
        stores: The servers.
        folder: The sweep's folder.
    """

    def __init__(self, stores: Servers, folder: Path) -> None:
        self.url, self.folder = stores.new_database(), folder
        sampler = DistinctSampler(optuna.samplers.TPESampler(seed=1), SPACE)
        self._storage = open_storage(self.url)
        self._study = optuna.create_study(study_name="s", storage=self._storage, sampler=sampler)
        self._study.set_user_attr(StudyAttrs.OBJECTIVE, str(OBJECTIVE))
        self._heartbeat = Heartbeat(self._study)
        self.tracker = Tracker(stores.tracking, folder.name)

    def fill(self, running: int) -> None:
        """Add running trials, each of which has reported some epochs."""
        scratch = optuna.create_study(sampler=optuna.samplers.RandomSampler(1))
        rng = np.random.default_rng(1)
        attrs = {TrialAttrs.SWEEP: self._heartbeat.sweep_id, TrialAttrs.RUN_ID: f"{1:032}"}
        self._study.add_trials(
            [
                create_trial(
                    state=TrialState.RUNNING,
                    params=scratch.ask(SPACE.distributions).params,
                    distributions=SPACE.distributions,
                    intermediate_values=dict(enumerate(curve(rng, int(rng.integers(EPOCHS))))),
                    user_attrs=attrs,
                )
                for _ in range(running)
            ]
        )

    @contextmanager
    def alive(self) -> Iterator[Turn]:
        """Yield what a sweep does when a trial has ended: finish it, and ask for the next one."""
        study, storage, tracker = self._study, self._storage, self.tracker
        lock = study_lock(self.url, "s", self.folder)
        with tracker.run("s", tags={}, params={}, kind=Kind.STUDY) as run, self._heartbeat as beat:
            scheduler = Scheduler(OBJECTIVE, pausing=None)
            paused = PausedTrials(study, storage, tracker, self.folder, scheduler, lock)
            ledger = TrialLedger(
                study, storage, SPACE, tracker, run.id, beat.sweep_id, self.folder, paused
            )
            read, progress = ReadTrials(paused.trials), Progress(paused.trials, run)

            def turn(number: int | None = None, result: Result | None = None) -> int:
                if number is not None and result:
                    ledger.finish(number, result)
                    read.on_trial_end(number, result)
                    progress.on_trial_end(number, result)
                following = ledger.next_trial(BUDGET, 1.0).number
                if following is None:
                    raise RuntimeError("the budget is spent")
                ledger.job_overrides(following)
                progress.on_idle()
                return following

            yield turn


class Job:
    """The job's side of a trial: open it and its run, write an epoch, store the result.

    Args:
        url: The study's storage.
        tracker: Opens the trial's run.
        number: The trial's number.
        worker: The worker's number, which has a connection of its own.
    """

    def __init__(self, url: str, tracker: Tracker, number: int, worker: int) -> None:
        # Another URL for each worker, since a process opens a storage once.
        config = {
            "sweeper": {
                "storage": f"{url}?application_name=worker{worker}",
                "study_name": "s",
                "pruner": PRUNER,
            },
            "job": {"num": number},
        }
        trial = retry_transient(trial_of_job)(OmegaConf.create(config))  # type: ignore[arg-type]
        self._opened = tracker.run(None, tags={"trial": number}, params=trial.params)
        self.run = self._opened.__enter__()
        if attempt := begin_attempt(trial, url):
            self.run.guard.begin(attempt.check)
        for name in (Artifacts.OVERRIDES, Artifacts.ENVIRONMENT):
            self.run.log_text("a text\n" * 50, name)
        trial.set_user_attr(TrialAttrs.RUN_ID, self.run.id)
        self.number, self._trial = number, trial
        self.study = StudyTrial(trial, self.run)

    @property
    def first(self) -> int:
        """The first epoch that the trial has not reported."""
        trial = stored_trial(self._trial.study, self._trial.storage, self.number)
        return len(trial.intermediate_values)

    def epoch(self, epoch: int, value: float) -> bool:
        """Write the metrics of an epoch, and return whether the trial is to stop."""
        self.run.log_batch(metrics={f"metric_{n}": value for n in range(8)}, step=epoch)
        self.study.report(value, epoch, metric=None)
        return self.study.should_prune()

    def end(self, value: float) -> Result:
        """Store the result, and end the run."""
        result = Result(State.COMPLETE, value, EPOCHS - 1, seconds=60.0)
        for name in (Artifacts.CONFIG, "sweep.log"):
            self.run.log_text("a line\n" * 200, name)
        self.run.log_outcome(metrics={"best_value": value}, tags={"state": "COMPLETE"})
        self._opened.__exit__(None, None, None)
        self._trial.set_user_attr(TrialAttrs.RESULT, result.to_json())
        return result


class Meter:
    """What each step of a trial has cost, by its name.

    Args:
        done: The servers.
    """

    COLUMNS = (
        "study statements",
        "mlflow statements",
        "requests",
        "client",
        "PostgreSQL",
        "MLflow",
    )

    def __init__(self, done: Servers) -> None:
        self._servers = done
        self.costs: dict[str, Counter[str]] = {}

    @contextmanager
    def __call__(self, step: str, times: int) -> Iterator[None]:
        """Count what the block costs, in which a step is taken some times."""
        before = self._now()
        yield
        after = self._now()
        self.costs[step] = Counter({k: (after[k] - before[k]) / times for k in self.COLUMNS})

    def _now(self) -> Counter[str]:
        now = self._servers.done()
        now["client"] = time.process_time()  # type: ignore[assignment]
        for name in ("client", "PostgreSQL", "MLflow"):
            now[name] *= 1000
        return now


def costs(running: int, stores: Servers, trials: int, epochs: int) -> Meter:
    """Count what the steps of a trial cost among some number of running trials."""
    meter, rng = Meter(stores), np.random.default_rng(2)
    with tempfile.TemporaryDirectory() as name:
        sweep = Sweep(stores, Path(name))
        sweep.fill(running)
        with sweep.alive() as turn:
            first = Job(sweep.url, sweep.tracker, turn(), 0)  # which opens what stays open
            turn(first.number, first.end(1.0))
            with meter("ask", trials):
                numbers = [turn() for _ in range(trials)]
            with meter("open", trials):
                jobs = [Job(sweep.url, sweep.tracker, number, 0) for number in numbers]
            curves = [curve(rng, epochs) for _ in jobs]
            with meter("epoch", trials * epochs):
                for job, values in zip(jobs, curves, strict=True):
                    for epoch, value in enumerate(values):
                        job.epoch(epoch, value)
            with meter("end", trials):
                results = [job.end(min(v)) for job, v in zip(jobs, curves, strict=True)]
            with meter("finish, ask", trials):
                for job, result in zip(jobs, results, strict=True):
                    turn(job.number, result)
    return meter


@dataclass
class Load:
    """What simulated workers share with the sweep.

    Attributes:
        todo: The numbers of the trials that begin.
        done: The trials that have ended, with their results.
        seconds: How long each epoch's writes took.
        ready: The workers that have opened their first trials.
        is_measured: Whether the measured time has begun.
        is_over: Whether it has ended.
    """

    todo: Any
    done: Any
    seconds: Any
    ready: Any
    is_measured: Any
    is_over: Any


def work(load: Load, url: str, tracking: str, experiment: str, workers: Sequence[int]) -> None:
    """Run simulated workers in the threads of a process."""
    logging.disable()
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    threads = [
        threading.Thread(target=_work, args=(load, url, tracking, experiment, worker), daemon=True)
        for worker in workers
    ]
    for thread in threads:
        thread.start()
    load.is_over.wait()


def _work(load: Load, url: str, tracking: str, experiment: str, worker: int) -> None:
    rng, tracker = np.random.default_rng(worker), Tracker(tracking, experiment)
    is_first = True
    while not load.is_over.is_set():
        job = Job(url, tracker, load.todo.get(), worker)
        values, value, first = curve(rng), 1.0, 0
        if is_first:
            first = job.first
            load.ready.put(worker)
            load.is_measured.wait()
            time.sleep(RHYTHM * float(rng.random()))
        is_first, due = False, time.monotonic()
        for epoch in range(first, EPOCHS):
            due += RHYTHM
            time.sleep(max(0.0, due - time.monotonic()))
            if load.is_over.is_set():
                return
            began, value = time.monotonic(), values[epoch]
            stops = job.epoch(epoch, value)
            load.seconds.put(time.monotonic() - began)
            if stops:
                break
        load.done.put((job.number, job.end(value), time.monotonic()))


def loaded(workers: int, stores: Servers, processes: int, seconds: float) -> str:
    """Let simulated workers write, and return the cells of their row in the table."""
    context = multiprocessing.get_context("spawn")
    load = Load(*(context.Queue() for _ in range(4)), context.Event(), context.Event())
    with tempfile.TemporaryDirectory() as name:
        sweep = Sweep(stores, Path(name))
        sweep.fill(workers)
        with sweep.alive() as turn:
            for number in range(workers):
                load.todo.put(number)
            arguments = load, sweep.url, stores.tracking, Path(name).name
            running = [
                context.Process(target=work, args=(*arguments, range(n, workers, processes)))
                for n in range(processes)
            ]
            for process in running:
                process.start()
            for _ in range(workers):
                load.ready.get(timeout=600)
            before, own = stores.done(), time.process_time()
            clients = sum(_cpu(process.pid) for process in running)
            load.is_measured.set()
            waits, end = [], time.monotonic() + seconds
            while (left := end - time.monotonic()) > 0:
                with suppress(queue.Empty):
                    number, result, ended = load.done.get(timeout=left)
                    load.todo.put(turn(number, result))
                    waits.append(time.monotonic() - ended)
            own, after = time.process_time() - own, stores.done()
            clients = sum(_cpu(process.pid) for process in running) - clients
            latencies = sorted(_drained(load.seconds)) or [float("inf")]
            load.is_over.set()
            for process in running:
                process.terminate()
                process.join()
    at = lambda share: latencies[int(share * (len(latencies) - 1))]  # noqa: E731
    used = [clients, own, *(after[k] - before[k] for k in ("PostgreSQL", "MLflow"))]
    cells = [
        f"{workers}", f"{workers / RHYTHM:.0f}", f"{len(latencies) / seconds:.1f}",
        f"{at(0.5):.2f}", f"{at(0.95):.2f}", f"{len(waits) / seconds:.2f}",
        f"{statistics.median(waits) if waits else 0:.2f}",
        *(f"{one / seconds:.2f}" for one in used),
    ]  # fmt: skip
    return " | ".join(cells)


def _cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _drained(values: Any) -> list[float]:
    found = []
    for _ in range(values.qsize()):
        with suppress(queue.Empty):
            found.append(values.get(timeout=0.5))
    return found


def main() -> None:
    """Measure and print two Markdown tables."""
    set_library_defaults()
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--running", type=int, nargs="*", default=[10, 100, 1000])
    parser.add_argument("--workers", type=int, nargs="*", default=[25, 50, 100, 200])
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--tracking-workers", type=int, default=1)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    logging.disable()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and end the servers

    most = max([0, *options.workers])
    with servers(most + 150, options.tracking_workers) as stores:
        if options.running:
            print("| step | running | " + " | ".join(Meter.COLUMNS) + " |")
            print("|---|---|" + "---|" * len(Meter.COLUMNS))
        for running in options.running:
            meter = costs(running, stores, options.trials, options.epochs)
            for step, cost in meter.costs.items():
                cells = " | ".join(f"{cost[column]:.1f}" for column in Meter.COLUMNS)
                print(f"| {step} | {running} | {cells} |", flush=True)
        if options.workers:
            print(
                "\n| workers | epochs a second | of these written | latency, s | 95 % | trials a "
                "second | wait for the next, s | cores: workers | sweep | PostgreSQL | MLflow |"
            )
            print("|" + "---|" * 11)
        for workers in options.workers:
            row = loaded(workers, stores, options.processes, options.seconds)
            print(f"| {row} |", flush=True)


if __name__ == "__main__":
    main()
