"""Cost of a trial beyond its training: ask, compose, folders, study, MLflow, checkpoint.

    python benchmarks/overhead.py [--trials 1000]

Two kinds of sweeps with n_jobs=1, timed by the moments at which Optuna started each trial:

- docs/examples/app.py, which computes nothing, so that all of its time is overhead: the median of
  the trials 10 to 30, and of the last 20 trials.
- The project's own trial, five epochs of a tiny model on tiny data: 60 trials with the same work,
  in three sweeps. Each trial first builds and fits the same model without callbacks
  (benchmarks/fit_baseline.py). The time of a trial beyond twice this baseline is what the sweep,
  the study, MLflow and the checkpoints cost.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import optuna
from fit_baseline import BASELINE

ROOT = Path(__file__).parents[1]
TRIALS = 60  # in a sweep of the project's trial
TINY = [
    "data.n_train=100", "data.n_test=50", "data.maxlen=4", "model=own",
    "model.function=fit_baseline.model", "fit.epochs=5", "fit.batch_size=50",
]  # fmt: skip


def sweep(folder: str, script: Path, trials: int, *overrides: str) -> list[float]:
    """Run a sweep and return the seconds from the start of each trial to the start of the next."""
    command = [
        sys.executable, script, "-m", "hydra.sweeper.n_jobs=1", *overrides,
        "hydra.sweeper.study_name=s", f"hydra.sweeper.n_trials={trials}",
    ]  # fmt: skip
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    study = optuna.load_study(study_name="s", storage=f"sqlite:///{folder}/optuna.db")
    began = [trial.datetime_start.timestamp() for trial in study.trials if trial.datetime_start]
    return [float(seconds) for seconds in np.diff(began)]


def application(trials: int) -> None:
    """Measure the application that computes nothing, and print two lines."""
    with tempfile.TemporaryDirectory() as folder:
        took = sweep(folder, ROOT / "docs" / "examples" / "app.py", trials, "steps=5")
    for label, part in (("trials 10 to 30", took[10:30]), (f"the last 20 of {trials}", took[-20:])):
        print(f"application without training, {label}: {np.median(part):.3f} s a trial", flush=True)


def project() -> np.ndarray:
    """Measure the project's trial.

    Returns:
        ``(TRIALS - 11, 3)`` seconds: to build and to fit the baseline, and beyond two baselines.
    """
    fixed = ["hydra.sweeper.params=null", "+nothing=interval(0,1)", "pruner=none"]
    script = Path(__file__).with_name("fit_baseline.py")
    with tempfile.TemporaryDirectory() as folder:
        took = sweep(folder, script, TRIALS, *TINY, *fixed, "hydra.sweeper.evaluate=null")
        files = [Path(folder, "multirun", "s", str(number), BASELINE) for number in range(TRIALS)]
        baseline = np.array([file.read_text().split() for file in files], float)
    beyond = np.array(took) - 2 * baseline[:-1].sum(axis=1)
    return np.column_stack([baseline[:-1], beyond])[10:]


def show(label: str, measured: np.ndarray) -> None:
    """Print a row of the table."""
    build, fit, beyond = np.median(measured, axis=0)
    cells = [build, fit, beyond, *np.percentile(measured[:, 2], [25, 75])]
    print(f"| {label} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |", flush=True)


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--trials", type=int, default=1000, help="trials of the application; 0 for none"
    )
    options = parser.parse_args()

    if options.trials:
        application(options.trials)
    print("\n| sweep | build | fit | overhead: median | lower quartile | upper |")
    print("|---|---|---|---|---|---|")
    sweeps = []
    for number in range(1, 4):
        sweeps.append(project())
        show(str(number), sweeps[-1])
    show("all", np.concatenate(sweeps))


if __name__ == "__main__":
    main()
