"""How long `rnnexp compare STUDY` takes for a study of 1,000 trials, and where the time goes.

    python benchmarks/compare.py [--trials 1000] [--repeat 5] [--folder DIR]

The study is written straight into a new MLflow store: each trial has the params, metrics, tags
and epochs of a real one. Seconds, the medians, by the clock and of the processor: on a machine that
others use, the second says more. `whole command` is a process of its own.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from rnnexp.cli import main as rnnexp
from rnnexp.storage.run_reader import RunReader

STUDY = "large"
EPOCHS = 10
KEYS = ("compile.optimizer.learning_rate", "model.embedding_size", "model.units", "fit.batch_size")


def tags(given: dict[str, object]) -> list[RunTag]:
    """As MLflow takes them."""
    return [RunTag(name, str(value)) for name, value in given.items()]


def write(client: MlflowClient, trials: int) -> None:
    """A study with this many trials, of which a third were pruned and a few failed."""
    rng = np.random.default_rng(0)
    experiment = client.create_experiment("rnnexp")
    parent = client.create_run(experiment, run_name=STUDY).info.run_id
    client.log_batch(
        parent,
        params=[Param("direction", "minimize"), *(Param(f"search.{key}", "x") for key in KEYS)],
        tags=tags({"study": STUDY, "objective": "min val_loss"}),
    )
    for number in range(trials):
        run = client.create_run(experiment, run_name=f"lr=0.{number}").info.run_id
        curve = rng.random(EPOCHS)
        state = rng.choice(("COMPLETE", "PRUNED", "FAIL"), p=(0.65, 0.33, 0.02))
        sizes = (rng.uniform(1e-4, 1e-2), *rng.choice((16, 32, 64, 128), 3))
        now = int(time.time() * 1000)
        last = {"best_value": curve.min(), "best_epoch": curve.argmin(), "epochs": EPOCHS}
        client.log_batch(
            run,
            params=[Param(key, str(value)) for key, value in zip(KEYS, sizes, strict=True)],
            metrics=[
                *(
                    Metric(name, float(value), now, epoch)
                    for name in ("loss", "accuracy", "val_loss", "val_accuracy")
                    for epoch, value in enumerate(curve)
                ),
                *(Metric(k, float(v), now, 0) for k, v in (last | {"seconds": 9.5}).items()),
            ],
            tags=tags(
                {
                    MLFLOW_PARENT_RUN_ID: parent, "study": STUDY, "trial": number, "state": state,
                    "objective": "min val_loss", "data": "0123456789abcdef", "seed": 0,
                    "folder": f"/multirun/{STUDY}/{number}", "rnnexp.version": "1",
                    "mlflow.source.git.commit": "f" * 40, "git.dirty": "false",
                    "reason": "" if state == "COMPLETE" else "because",
                }
            ),
        )  # fmt: skip
        client.set_terminated(run)
    client.set_terminated(parent)


def seconds(work: Callable[[], object], repeat: int) -> tuple[float, float]:
    """The medians of some repetitions: by the clock, and of the processor."""
    found = []
    for _ in range(repeat):
        began, before = time.perf_counter(), sum(os.times()[:4])
        work()
        found.append((time.perf_counter() - began, sum(os.times()[:4]) - before))
    clock, processor = zip(*found, strict=True)
    return statistics.median(clock), statistics.median(processor)


def process(*arguments: str) -> None:
    """A Python of its own; what it prints is dropped."""
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def measure(uri: str, repeat: int) -> dict[str, tuple[float, float]]:
    """Seconds by what takes them."""
    reader = RunReader(uri)
    study = reader.study(STUDY)

    def command() -> None:
        with redirect_stdout(StringIO()):
            rnnexp(["compare", STUDY, "--tracking-uri", uri], standalone_mode=False)

    whole = "from rnnexp.cli import main; main()"
    return {
        "find the study": seconds(lambda: reader.study(STUDY), repeat),
        "read its trials": seconds(lambda: reader.trials(study), repeat),
        "compare, after import": seconds(command, repeat),
        "import of what it needs": seconds(
            lambda: process("-c", "import rnnexp.storage.run_reader"), repeat
        ),
        "whole command": seconds(
            lambda: process("-c", whole, "compare", STUDY, "--tracking-uri", uri), repeat
        ),
    }


def main() -> None:
    """Write the study, unless the folder has it, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="keeps the study for another time")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (arguments.folder or Path(scratch)).absolute()
        uri = f"sqlite:///{folder}/mlflow.db"
        if not (folder / "mlflow.db").exists():
            folder.mkdir(parents=True, exist_ok=True)
            began = time.perf_counter()
            write(MlflowClient(uri), arguments.trials)
            print(f"{time.perf_counter() - began:.1f} s to write {arguments.trials} trials")
        print(f"{'':25} {'clock':>9} {'processor':>9}")
        for what, (clock, processor) in measure(uri, arguments.repeat).items():
            print(f"{what:25} {clock:9.2f} {processor:9.2f}")


if __name__ == "__main__":
    main()
