"""Cost of a study's report, by the number of trials.

    python benchmarks/report.py [--trials 20 200 1000] [--epochs 30]

A study in SQLite is filled with random trials, a quarter of them pruned. Its report is then
written as in a sweep: read the study, make the file, log it to a run in MLflow. The figures are
seconds of processor time: of the first report, which includes imports, and the median of three
later ones.
"""

import argparse
import math
import os
import statistics
import tempfile
import time
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import optuna
import psutil
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from rnnexp.library_defaults import set_library_defaults
from rnnexp.report.files import log_report, write_report
from rnnexp.report.snapshot import snapshot_of
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.storage.schema import StudyAttrs

SPACE = {
    "compile.optimizer.learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
    "model.units": CategoricalDistribution((32, 64, 128)),
    "model.embedding_size": CategoricalDistribution((16, 32, 64)),
    "fit.batch_size": CategoricalDistribution((32, 50, 64, 128)),
}
DEFAULTS = {
    "compile.optimizer.learning_rate": 0.001,
    "model.units": 32,
    "model.embedding_size": 32,
    "fit.batch_size": 50,
}


def trials(number: int, epochs: int) -> list[FrozenTrial]:
    """Make random trials of two workers, whose values depend on the learning rate."""
    rng = np.random.default_rng(0)
    scratch = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    start, made = datetime(2026, 1, 1), []
    for n in range(number):
        params = scratch.ask(SPACE).params
        is_pruned = n % 4 == 3
        level = 0.2 + abs(math.log10(params["compile.optimizer.learning_rate"]) + 2.5)
        reached = range(epochs // 4 if is_pruned else epochs)
        curve = {e: level + 1 / (e + 1) + float(rng.normal(0, 0.02)) for e in reached}
        trial = create_trial(
            state=TrialState.PRUNED if is_pruned else TrialState.COMPLETE,
            value=min(curve.values()),
            params=params,
            distributions=SPACE,
            intermediate_values=curve,
        )
        trial.datetime_start = start + timedelta(seconds=5 * (n // 2))
        trial.datetime_complete = trial.datetime_start + timedelta(seconds=4)
        made.append(trial)
    return made


def timed(number: int, epochs: int, folder: Path) -> None:
    """Print what a report of some number of trials costs."""
    study = optuna.create_study(storage=f"sqlite:///{folder}/optuna.db")
    study.set_user_attr(StudyAttrs.DEFAULTS, DEFAULTS)
    study.add_trials(trials(number, epochs))
    tracker = Tracker(f"sqlite:///{folder}/mlflow.db", "benchmark")
    totals, parts = [], []
    with tracker.run("study", tags={}, params={}) as run:
        for _ in range(4):
            marks = [time.process_time()]
            snapshot = snapshot_of(study)
            marks.append(time.process_time())
            file = write_report(snapshot, folder / "report")
            marks.append(time.process_time())
            log_report(run, snapshot, file)
            marks.append(time.process_time())
            totals.append(marks[-1] - marks[0])
            parts.append([after - before for before, after in pairwise(marks)])
    read, write, log = (statistics.median(part) for part in zip(*parts[1:], strict=True))
    size = file.stat().st_size / 1e6
    print(
        f"| {number} | {totals[0]:.2f} | {read:.2f} | {write:.2f} | {log:.2f} "
        f"| {statistics.median(totals[1:]):.2f} | {size:.1f} |"
    )


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[20, 200, 1000])
    parser.add_argument("--epochs", type=int, default=30)
    arguments = parser.parse_args()
    set_library_defaults()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    memory = psutil.Process().memory_info().rss
    print("| trials | first report | read | make | log | later reports | MB |")
    print("|---|---|---|---|---|---|---|")
    for number in arguments.trials:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)  # the folder in which MLflow puts artifacts
            timed(number, arguments.epochs, Path(folder))
    print(f"\nMemory: {(psutil.Process().memory_info().rss - memory) / 1e6:.0f} MB more at the end")


if __name__ == "__main__":
    main()
