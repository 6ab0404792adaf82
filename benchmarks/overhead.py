"""What a trial costs beyond its training: ask, compose, folders, study, MLflow, checkpoint.

    python benchmarks/overhead.py [--trials 1000]

Two sweeps with n_jobs=1, timed by the moments at which the study asked for each trial:

- docs/examples/app.py, which computes nothing, so that all its time is overhead: the median of
  the trials around number 20 and of those at the end.
- The project's own trial on tiny data of five epochs, one setting 60 times. Each trial first
  builds and fits the same model without any callback (benchmarks/beside_fit.py); what the trial
  takes beyond twice that is what the sweep, the study, MLflow and the checkpoints cost.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import optuna
from beside_fit import ALONE

ROOT = Path(__file__).parents[1]
TRIALS = 60  # of the project: its fit differs by a tenth from trial to trial
TINY = [
    "data.n_train=400", "data.n_test=50", "data.maxlen=20", "model.embedding_size=8",
    "model.units=8", "fit.epochs=5", "fit.batch_size=50",
]  # fmt: skip


def sweep(folder: str, script: Path, trials: int, *overrides: str) -> list[float]:
    """Seconds from each trial's beginning to the next one's."""
    command = [
        sys.executable, script, "-m", "hydra.sweeper.n_jobs=1", *overrides,
        "hydra.sweeper.study_name=s", f"hydra.sweeper.n_trials={trials}",
    ]  # fmt: skip
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    study = optuna.load_study(study_name="s", storage=f"sqlite:///{folder}/optuna.db")
    began = [trial.datetime_start.timestamp() for trial in study.trials if trial.datetime_start]
    return [float(seconds) for seconds in np.diff(began)]


def application(trials: int) -> None:
    """Measure the application that computes nothing."""
    with tempfile.TemporaryDirectory() as folder:
        took = sweep(folder, ROOT / "docs" / "examples" / "app.py", trials, "steps=5")
    for label, part in (("trials 10 to 30", took[10:30]), (f"the last 20 of {trials}", took[-20:])):
        print(f"application without training, {label}: {np.median(part):.3f} s a trial", flush=True)


def project() -> np.ndarray:
    """Measure the project's trial: seconds to build, to fit, and beyond both, by trial."""
    fixed = ["hydra.sweeper.params=null", "+nothing=interval(0,1)", "pruner=none"]
    script = Path(__file__).with_name("beside_fit.py")
    with tempfile.TemporaryDirectory() as folder:
        took = sweep(folder, script, TRIALS, *TINY, *fixed, "hydra.sweeper.evaluate=null")
        notes = [Path(folder, "multirun", "s", str(number), ALONE) for number in range(TRIALS)]
        alone = np.array([note.read_text().split() for note in notes], float)
    beyond = np.array(took) - 2 * alone[:-1].sum(axis=1)
    return np.column_stack([alone[:-1], beyond])[10:]


def show(label: str, measured: np.ndarray) -> None:
    """Print a line of the table."""
    build, fit, beyond = np.median(measured, axis=0)
    cells = [build, fit, beyond, *np.percentile(measured[:, 2], [25, 75])]
    print(f"| {label} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000, help="of the application; 0 for none")
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
