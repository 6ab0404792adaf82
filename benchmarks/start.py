"""Time line of a sweep: command to first epoch, and last trial to summary.

    python benchmarks/start.py [--repeats 5] [OVERRIDE ...]

A sweep of the default config is run in an empty folder, with two workers. Its stages are taken from
outside of it, by the lines that it logs, by Optuna's storage and by a callback that writes the
moment at which the first epoch begins. In turn with each sweep, a process that does nothing else
imports Keras with the same backend: no sweep can begin to train earlier. The figures are medians of
seconds: by the clock, and of processor time of the sweep's process and its workers together.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import optuna
import psutil

ROOT = Path(__file__).parents[1]
MARK = "first_epoch"
CALLBACK = f"""
import time
from pathlib import Path
from keras.callbacks import Callback

class FirstEpoch(Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if not Path({MARK!r}).exists():
            Path({MARK!r}).write_text(str(time.time()))
"""
SWEEP = ["-m", "hydra.sweeper.n_trials=2", "hydra.sweeper.n_jobs=2", "hydra.sweeper.study_name=s",
         "fit.epochs=2", "+callbacks.mark._target_=mark.FirstEpoch"]  # fmt: skip
ALONE = "import keras; keras.ops.zeros(1); print('imported')"
Seconds = tuple[float, float]  # by the clock, of processor time


class Command:
    """A command's lines with their moments, and the processor time it had spent at each moment.

    Args:
        command: The arguments of Python.
        folder: The working directory.
        **environment: Environment variables.
    """

    def __init__(self, command: list[str], folder: str, **environment: str) -> None:
        self.began = time.time()
        path = os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")])
        with subprocess.Popen(
            [sys.executable, "-u", *command], cwd=folder, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env=os.environ | {"PYTHONPATH": path} | environment,
        ) as process, self._sampled(psutil.Process(process.pid)):  # fmt: skip
            self.lines = [(time.time(), line) for line in process.stdout or ()]
        self.ended = time.time()
        if process.returncode:
            raise SystemExit("".join(line for _, line in self.lines))

    def between(self, begin: float, end: float) -> Seconds:
        """Return the seconds between two moments."""
        return end - begin, self._spent(end) - self._spent(begin)

    def first(self, text: str) -> float:
        """Return the moment of the first line with a text."""
        return next(when for when, line in self.lines if text in line)

    def last(self, text: str) -> float:
        """Return the moment of the last line with a text."""
        return max(when for when, line in self.lines if text in line)

    def _spent(self, moment: float) -> float:
        return max((spent for when, spent in self._samples if when <= moment), default=0.0)

    @contextmanager
    def _sampled(self, process: psutil.Process) -> Iterator[None]:
        self._samples: list[Seconds] = []
        end = threading.Event()

        def sample() -> None:
            spent: dict[int, float] = {}
            while not end.wait(0.02):
                try:
                    for each in (process, *process.children(recursive=True)):
                        times = each.cpu_times()
                        spent[each.pid] = times.user + times.system
                except psutil.NoSuchProcess:
                    continue
                self._samples.append((time.time(), sum(spent.values())))

        thread = threading.Thread(target=sample)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()


def time_line(overrides: list[str]) -> dict[str, Seconds]:
    """Run a sweep, and return its stages with the seconds that each took."""
    backend = "jax" if "backend=jax" in overrides else "tensorflow"
    with tempfile.TemporaryDirectory() as folder:
        alone = Command(["-c", ALONE], folder, KERAS_BACKEND=backend)
        Path(folder, "mark.py").write_text(CALLBACK, encoding="utf-8")
        sweep = Command([str(ROOT / "sweep.py"), *SWEEP, *overrides], folder)
        first = float(Path(folder, MARK).read_text(encoding="utf-8"))
        study = optuna.load_study(study_name="s", storage=f"sqlite:///{folder}/optuna.db")
        started = datetime.timestamp(study.trials[0].datetime_start or datetime.min)
    imported = alone.between(alone.began, alone.first("imported"))
    checked = sweep.first("] study s searches: ")
    last, shown = sweep.last("] trial "), sweep.first("Study ")
    return {
        "importing Keras alone": imported,
        "command to plan: imports, the check in a worker": sweep.between(sweep.began, checked),
        "plan to trial 0: the study and its run": sweep.between(checked, started),
        "trial 0 to its first epoch": sweep.between(started, first),
        "**command to first epoch**": sweep.between(sweep.began, first),
        "**beyond importing Keras alone**": (first - sweep.began - imported[0], 0.0),
        "**last trial's end to the summary**: evaluate, publish, report": sweep.between(
            last, shown
        ),
        "summary to the process's end": sweep.between(shown, sweep.ended),
    }


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    options, overrides = parser.parse_known_args()
    lines = [time_line(overrides) for _ in range(options.repeats)]
    print("| stage | seconds | of processor time |\n|---|---|---|")
    for stage in lines[0]:
        clock, spent = (statistics.median(line[stage][kind] for line in lines) for kind in (0, 1))
        print(f"| {stage} | {clock:.1f} | {f'{spent:.1f}' if spent else ''} |")


if __name__ == "__main__":
    main()
