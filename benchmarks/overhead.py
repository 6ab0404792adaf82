"""What a trial costs beyond its training: ask, compose, folders, study, MLflow, checkpoint.

    python benchmarks/overhead.py [--trials 1000]

Two sweeps with n_jobs=1, timed by the moments at which the study asked for each trial:

- docs/examples/app.py, which computes nothing, so that all its time is overhead: the median of
  the trials around number 20 and of those at the end.
- The project's own trial on tiny data of five epochs, one setting 30 times, beside a loop in one
  process that builds, compiles and fits the same model without any callback. The difference is
  what the sweep, the study, MLflow and the checkpoints cost. Both are measured in turns, as the
  machine's speed drifts.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import optuna

ROOT = Path(__file__).parents[1]
TINY = [
    "data.n_train=400", "data.n_test=50", "data.maxlen=20", "model.embedding_size=8",
    "model.units=8", "fit.epochs=5", "fit.batch_size=50",
]  # fmt: skip
BARE = """
import sys, time
from hydra import compose, initialize_config_dir
from rnnexp import backend, data
with initialize_config_dir(sys.argv[1] + "/conf", version_base="1.3"):
    config = compose("config", overrides=sys.argv[2:])
keras = backend.keras()
from rnnexp.model import build
for number in range(12):
    backend.settle()
    began = time.perf_counter()
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    dataset = data.load(config.data)
    model = build(config, dataset)
    built = time.perf_counter()
    model.fit(*dataset.train(), **config.fit)
    print("took", built - began, time.perf_counter() - built)
"""


def sweep(script: Path, trials: int, *overrides: str) -> list[float]:
    """Seconds from each trial's beginning to the next one's."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, script, "-m", "hydra.sweeper.n_jobs=1", *overrides,
            "hydra.sweeper.study_name=s", f"hydra.sweeper.n_trials={trials}",
        ]  # fmt: skip
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        study = optuna.load_study(study_name="s", storage=f"sqlite:///{folder}/optuna.db")
        began = [trial.datetime_start.timestamp() for trial in study.trials if trial.datetime_start]
        return [float(seconds) for seconds in np.diff(began)]


def bare() -> tuple[float, float]:
    """Seconds to build a model, and to fit it, in a process that is warm."""
    done = subprocess.run(
        [sys.executable, "-c", BARE, ROOT, *TINY], check=True, capture_output=True, text=True
    )
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("took")]
    built, fitted = np.median([[float(cell) for cell in line[1:]] for line in lines[2:]], axis=0)
    return float(built), float(fitted)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    options = parser.parse_args()

    app = sweep(ROOT / "docs" / "examples" / "app.py", options.trials, "steps=5")
    for label, part in (("trials 10 to 30", app[10:30]), (f"the last 20 of {len(app)}", app[-20:])):
        print(f"application without training, {label}: {np.median(part):.3f} s a trial", flush=True)
    fixed = ["hydra.sweeper.params=null", "+nothing=interval(0,1)", "pruner=none"]
    print("\n| the project's trial | build | fit | overhead |\n|---|---|---|---|")
    for _ in range(3):
        trial = sweep(ROOT / "sweep.py", 30, *TINY, *fixed, "hydra.sweeper.evaluate=null")
        took, (built, fitted) = float(np.median(trial[10:])), bare()
        print(
            f"| {took:.3f} | {built:.3f} | {fitted:.3f} | {took - built - fitted:.3f} |", flush=True
        )


if __name__ == "__main__":
    main()
