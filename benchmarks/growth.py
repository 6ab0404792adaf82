"""Growth of a sweep's cost for each trial with the number of trials that its study has.

    python benchmarks/growth.py [--trials 20 100 1000 5000] [--epochs 10]

A study in SQLite is filled with random trials, a quarter of them pruned. Then the steps of a trial
are timed through the classes that a sweep uses, with two storage objects as in two processes: the
sweep asks for a trial, tells its result and calls its callbacks; the job opens the trial, reports
each epoch and asks whether to prune it. Runs are kept in memory, since MLflow's cost does not grow
with a study. The figures are milliseconds of processor time, the
least of some repeats; waiting for the disk does not grow.

The sampler draws at random, so that "ask" is this project's cost. What Optuna's TPE needs to draw
one trial of the same study is in a row of its own; so are what happens once a sweep, and what the
threads of a sweep do in their own rhythm. None of these is in the sum.
"""

import argparse
import io
import json
import sqlite3
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import distribution_to_json
from optuna.trial import TrialState
from rich.console import Console

from rnnexp.execution.current_trial import StudyTrial
from rnnexp.objective import Objective
from rnnexp.objectives import Objectives
from rnnexp.pruning import EarlyStoppingPruner
from rnnexp.report.snapshot import snapshot_of
from rnnexp.result import Result, State
from rnnexp.search.sampling import DistinctSampler
from rnnexp.search.space import parse
from rnnexp.storage.ended_trials import EndedTrials
from rnnexp.storage.in_memory_tracker import MemoryRun, MemoryTracker
from rnnexp.storage.optuna_store import open_trial
from rnnexp.storage.schema import StudyAttrs, TrialAttrs
from rnnexp.storage.study_lock import FolderLock
from rnnexp.sweep.budget import Budget
from rnnexp.sweep.display import LiveDisplay, LogDisplay
from rnnexp.sweep.heartbeat import Heartbeat
from rnnexp.sweep.loop_callbacks import ReadTrials
from rnnexp.sweep.paused_trials import PausedTrials
from rnnexp.sweep.progress_metrics import Progress
from rnnexp.sweep.retention import Retention
from rnnexp.sweep.scheduler import Scheduler
from rnnexp.sweep.trial_ledger import TrialLedger

SPACE, _ = parse(
    [
        "compile.optimizer.learning_rate=tag(log,interval(1e-4,1e-2))",
        "model.units=choice(32,64,128)",
        "model.embedding_size=choice(16,32,64)",
        "fit.batch_size=choice(32,50,64,128)",
    ]
)
OBJECTIVE = Objective("val_loss", "min")
PRUNER = EarlyStoppingPruner(2, quantile=0.0, only_worsening=True)
BUDGET = Budget(Objectives(OBJECTIVE), n_trials=10_000, patience=10_000)
OF_A_TRIAL = ("ask", "load", "report", "finish", "callbacks")


def fill(file: str, first: int, last: int, epochs: int, sweep: str) -> None:
    """Insert random trials that have ended, as Optuna stores them: hundreds of times as fast.

    Args:
        file: The SQLite file, which has one study.
        first: The number of the first trial.
        last: The number after that of the last trial.
        epochs: The number of epochs of a complete trial.
        sweep: Id of the sweep that has run the trials.
    """
    rng = np.random.default_rng(first)
    scratch = optuna.create_study(sampler=optuna.samplers.RandomSampler(first))
    rows: dict[str, list[tuple[object, ...]]] = defaultdict(list)
    for number in range(first, last):
        key, is_pruned = number + 1, number % 4 == 3
        reached = range(max(epochs // 4, 1) if is_pruned else epochs)
        curve = {epoch: float(1 / (epoch + 1) + rng.random()) for epoch in reached}
        epoch, value = OBJECTIVE.best(curve) or (0, 0.0)
        state = State.PRUNED if is_pruned else State.COMPLETE
        began = datetime(2026, 1, 1) + timedelta(seconds=number)
        rows["trials"].append((key, number, 1, str(state), str(began), str(began)))
        rows["trial_values"].append((None, key, 0, value, "FINITE"))
        rows["trial_intermediate_values"] += [(None, key, e, v, "FINITE") for e, v in curve.items()]
        for name, drawn in scratch.ask(SPACE.distributions).params.items():
            how = SPACE.distributions[name]
            stored = (how.to_internal_repr(drawn), distribution_to_json(how))
            rows["trial_params"].append((None, key, name, *stored))
        result = Result(state, value, epoch, seconds=1.0).to_json()
        attrs = {TrialAttrs.SWEEP: sweep, TrialAttrs.RUN_ID: f"{number:032}"}
        for name, attr in {**attrs, TrialAttrs.RESULT: result}.items():
            rows["trial_user_attributes"].append((None, key, name, json.dumps(attr)))
    with closing(sqlite3.connect(file)) as database, database:
        for table, values in rows.items():
            marks = ",".join("?" * len(values[0]))
            database.executemany(f"INSERT INTO {table} VALUES ({marks})", values)  # noqa: S608


class Timer:
    """The least seconds of each step, by its name."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Time the block."""
        began = time.thread_time()
        yield
        self.seconds[step].append(time.thread_time() - began)

    def least(self, step: str) -> float:
        """Return the least milliseconds of a step."""
        return 1000 * min(self.seconds[step])


class Sweep:
    """The parts of a sweep and of a job that meet a study, without Hydra, Keras and MLflow.

    Args:
        folder: The folder of the study.
        epochs: The number of epochs of a trial.
    """

    def __init__(self, folder: Path, epochs: int) -> None:
        self.folder, self.epochs = folder, epochs
        self.url = f"sqlite:///{folder}/optuna.db"
        sampler = DistinctSampler(optuna.samplers.RandomSampler(), SPACE)
        self.study = optuna.create_study(study_name="s", storage=self.url, sampler=sampler)
        self.study.set_user_attr(StudyAttrs.OBJECTIVE, str(OBJECTIVE))
        self.job_storage = optuna.storages.get_storage(self.url)
        self.heartbeat = Heartbeat(self.study)
        self.run = MemoryRun()

    def fill(self, n_trials: int) -> None:
        """Add trials that have ended until the study has this many."""
        first = len(self.study.get_trials(deepcopy=False))
        fill(f"{self.folder}/optuna.db", first, n_trials, self.epochs, self.heartbeat.sweep_id)

    def parts(self, timer: Timer) -> tuple[TrialLedger, list[Any]]:
        """Make the ledger and the callbacks, as at a sweep's start."""
        storage, runs = self.study._storage, MemoryTracker()
        paused = PausedTrials(
            self.study, storage, runs, self.folder, Scheduler(OBJECTIVE, pausing=None),
            FolderLock(self.folder),
        )  # fmt: skip
        ledger = TrialLedger(
            self.study, storage, SPACE, runs, "parent", self.heartbeat.sweep_id, self.folder, paused
        )
        trials = paused.trials
        with timer("once a resume: retention looks for checkpoints"):
            retention = Retention(trials, 5, ["*.keras"], self.run, self.folder)  # type: ignore[arg-type]
        progress = Progress(trials, self.run)  # type: ignore[arg-type]
        return ledger, [ReadTrials(trials), LogDisplay(trials, BUDGET), progress, retention]

    def one_trial(self, ledger: TrialLedger, callbacks: list[Any], timer: Timer) -> None:
        """Run one more trial, and time its steps."""
        with timer("ask"):
            number = ledger.next_trial(BUDGET, 1.0).number
            if number is None:
                raise RuntimeError("the budget is spent")
            ledger.job_overrides(number)
        with timer("load"):
            study = optuna.load_study(study_name="s", storage=self.job_storage, pruner=PRUNER)
            trial = StudyTrial(open_trial(study, self.job_storage, number))
        curve = {epoch: 2.0 / (epoch + 1) for epoch in range(self.epochs)}
        with timer("report"):
            for epoch, value in curve.items():
                trial.report(value, epoch)
                trial.should_prune()
        result = Result(State.COMPLETE, min(curve.values()), max(curve), seconds=1.0)
        trial._trial.set_user_attr(TrialAttrs.RESULT, result.to_json())
        with timer("finish"):
            ledger.finish(number, result)
        with timer("callbacks"):
            for callback in callbacks:
                callback.on_trial_end(number, result)
            for callback in callbacks:
                callback.on_idle()

    def others(self, timer: Timer) -> None:
        """Time what is not a step of every trial."""
        console = Console(file=io.StringIO(), force_terminal=True)
        display = LiveDisplay(EndedTrials(self.study), BUDGET, console)
        display.on_idle()
        with timer("twice a second on a terminal: live display"):
            display.on_idle()
        with timer("report snapshot, in a thread"):
            snapshot = snapshot_of(self.study)
            _ = snapshot.rows, snapshot.best, snapshot.spent, snapshot.took
        with timer("once a sweep: counts and best trial of the summary"):
            _ = EndedTrials(self.study).best
        with timer("once a sweep: first read of the study by a worker"):
            optuna.load_study(study_name="s", storage=self.url).get_trials(deepcopy=False)
        tpe = optuna.load_study(
            study_name="s",
            storage=self.study._storage,
            sampler=optuna.samplers.TPESampler(seed=0),
        )
        with timer("Optuna's TPE, one draw"):
            trial = tpe.ask(SPACE.distributions)
        tpe.tell(trial, state=TrialState.FAIL)


def measured(sweep: Sweep, n_trials: int, repeats: int) -> Timer:
    """Time the steps of a trial in a study of some number of trials."""
    timer = Timer()
    sweep.fill(n_trials)
    ledger, callbacks = sweep.parts(timer)
    for callback in callbacks:  # the deletions that a resume is left with
        callback.on_idle()
    for _ in range(repeats):
        sweep.one_trial(ledger, callbacks, timer)
    for _ in range(3):
        sweep.others(timer)
    return timer


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[20, 100, 1000, 5000])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    with tempfile.TemporaryDirectory() as folder:
        sweep = Sweep(Path(folder), options.epochs)
        with sweep.heartbeat:
            timers = [measured(sweep, n, options.repeats) for n in options.trials]
    sums: Callable[[Timer], float] = lambda timer: sum(map(timer.least, OF_A_TRIAL))  # noqa: E731
    rows = {step: [timer.least(step) for timer in timers] for step in OF_A_TRIAL}
    rows["**a trial**"] = [sums(timer) for timer in timers]
    rows |= {
        step: [timer.least(step) for timer in timers]
        for step in sorted(set(timers[0].seconds) - set(OF_A_TRIAL))
    }
    print("| milliseconds | " + " | ".join(map(str, options.trials)) + " | last by first |")
    print("|---|" + "---|" * (len(timers) + 1))
    for name, values in rows.items():
        cells = " | ".join(f"{value:.1f}" for value in values)
        print(f"| {name} | {cells} | {values[-1] / values[0]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
