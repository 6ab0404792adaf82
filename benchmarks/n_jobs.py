"""Time of the same search with 1, 2, 3, ... workers.

    python benchmarks/n_jobs.py [--n-jobs 1 2 3] [--trials 12]

The trials have random params from the default search space, five epochs each and no pruning, so
that all searches do the same work. The time is from the start of the first trial to the end of the
last trial.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import optuna

ROOT = Path(__file__).parents[1]


def seconds(n_jobs: int, trials: int) -> float:
    """Run the search, and return the seconds that it took."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, ROOT / "sweep.py", "-m", f"hydra.sweeper.n_jobs={n_jobs}",
            f"hydra.sweeper.n_trials={trials}", "hydra.sweeper.study_name=s", "sampler=random",
            "pruner=none", "fit.epochs=5", "hydra.sweeper.evaluate=null",
        ]  # fmt: skip
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        study = optuna.load_study(study_name="s", storage=f"sqlite:///{folder}/optuna.db")
        started = [trial.datetime_start for trial in study.trials if trial.datetime_start]
        ended = [trial.datetime_complete for trial in study.trials if trial.datetime_complete]
        return (max(ended) - min(started)).total_seconds()


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n-jobs", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--trials", type=int, default=12)
    options = parser.parse_args()
    print("| n_jobs | seconds |\n|---|---|")
    for n_jobs in options.n_jobs:
        print(f"| {n_jobs} | {seconds(n_jobs, options.trials):.0f} |", flush=True)


if __name__ == "__main__":
    main()
