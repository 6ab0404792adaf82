"""Time line of a sweep: command to first batch, and last trial to summary.

    python benchmarks/start.py [--repeats 3] [OVERRIDE ...]

A sweep of the default config is run in an empty folder. Its stages are taken from outside of it, by
the lines that it logs, by Optuna's storage and by a callback that writes the moment of the first
batch. The first row is what importing Keras with its backend takes alone, in a process that does
nothing else: no sweep can be faster. The figures are seconds, the least of some repeats.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import optuna
from keras.callbacks import Callback

ROOT = Path(__file__).parents[1]
MARK = "first_batch"
SWEEP = ["-m", "hydra.sweeper.n_trials=2", "hydra.sweeper.study_name=s", "fit.epochs=2"]


class FirstBatch(Callback):
    """Writes when the first batch of a training begins to a file in the working directory."""

    def on_train_batch_begin(self, batch: int, logs: object = None) -> None:  # noqa: ARG002
        """Write the moment, once."""
        file = Path(MARK)
        if batch == 0 and not file.exists():
            file.write_text(str(time.time()), encoding="utf-8")


def run(command: list[str], folder: str) -> list[tuple[float, str]]:
    """Run a command, and return its lines with the moments at which they were printed."""
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [sys.executable, "-u", *command], cwd=folder, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env=os.environ | {"PYTHONPATH": path},
    ) as process:  # fmt: skip
        lines = [(time.time(), line) for line in process.stdout or ()]
    if process.returncode:
        raise SystemExit("".join(line for _, line in lines))
    return lines


def time_line(overrides: list[str]) -> dict[str, float]:
    """Run a sweep, and return its stages with the seconds that each took."""
    mark = [f"+callbacks.{MARK}._target_=start.FirstBatch"]
    with tempfile.TemporaryDirectory() as folder:
        began = time.time()
        run(["-c", "import keras; keras.ops.zeros(1)"], folder)
        alone = time.time() - began
        began = time.time()
        lines = run([str(ROOT / "sweep.py"), *SWEEP, *mark, *overrides], folder)
        ended = time.time()
        first = float(Path(folder, MARK).read_text(encoding="utf-8"))
        study = optuna.load_study(study_name="s", storage=f"sqlite:///{folder}/optuna.db")
        started = datetime.timestamp(study.trials[0].datetime_start or datetime.min)
    checked = next(when for when, line in lines if "minimizes" in line)
    last = max(when for when, line in lines if "] trial " in line)
    shown = next(when for when, line in lines if line.startswith("Study "))
    return {
        "importing Keras alone": alone,
        "command to plan: imports, the check in a worker": checked - began,
        "plan to trial 0: the study's tables and its run": started - checked,
        "trial 0 to its first batch": first - started,
        "**command to first batch**": first - began,
        "beyond importing Keras alone": first - began - alone,
        "**last trial's end to the summary**: evaluate, publish, report": shown - last,
        "summary to the process's end": ended - shown,
    }


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=3)
    options, overrides = parser.parse_known_args()
    lines = [time_line(overrides) for _ in range(options.repeats)]
    print("| stage | seconds |\n|---|---|")
    for stage in lines[0]:
        print(f"| {stage} | {min(line[stage] for line in lines):.1f} |")


if __name__ == "__main__":
    main()
