"""Time that `rnnexp compare STUDY` takes for a study of 1,000 trials, and its parts.

    python benchmarks/compare.py [--trials 1000] [--repeat 5] [--folder DIR]

The study is written straight into a new MLflow store: each trial has the params, metrics, tags
and epochs of a real trial. The figures are medians in seconds of wall time and of processor time,
which is the better measure on a shared machine. `whole command` runs in its own process.
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
from rnnexp.library_defaults import set_library_defaults
from rnnexp.objective import Objective
from rnnexp.result import State
from rnnexp.storage import schema
from rnnexp.storage.run_reader import RunReader
from rnnexp.storage.schema import Kind, Metrics, Params, Tags

STUDY = "large"
EPOCHS = 10
KEYS = ("compile.optimizer.learning_rate", "model.embedding_size", "model.units", "fit.batch_size")


def run_tags(kind: Kind, tags: dict[str, object]) -> list[RunTag]:
    """Return the tags of a run as MLflow takes them, with those that every run has."""
    common = {
        Tags.SCHEMA: schema.VERSION,
        Tags.KIND: kind,
        Tags.STUDY: STUDY,
        Tags.OBJECTIVE: Objective("val_loss", "min"),
    }
    return [RunTag(name, str(value)) for name, value in (common | tags).items()]


def write_study(client: MlflowClient, trials: int) -> None:
    """Write a study, of whose trials a third were pruned and a few failed."""
    experiment = client.create_experiment("rnnexp")
    parent = client.create_run(experiment, run_name=STUDY).info.run_id
    params = [Param(f"{Params.SEARCH}{key}", "x") for key in KEYS]
    client.log_batch(parent, params=params, tags=run_tags(Kind.STUDY, {}))
    rng = np.random.default_rng(0)
    for number in range(trials):
        write_trial(client, experiment, parent, number, rng)
    client.set_terminated(parent)


def write_trial(
    client: MlflowClient, experiment: str, parent: str, number: int, rng: np.random.Generator
) -> None:
    """Write a trial with random params, values and state."""
    run = client.create_run(experiment, run_name=f"lr=0.{number}").info.run_id
    values = rng.random(EPOCHS)
    state = rng.choice((State.COMPLETE, State.PRUNED, State.FAIL), p=(0.65, 0.33, 0.02))
    params = (rng.uniform(1e-4, 1e-2), *rng.choice((16, 32, 64, 128), 3))
    now = int(time.time() * 1000)
    last = {
        Metrics.BEST_VALUE: values.min(), Metrics.BEST_EPOCH: values.argmin(),
        Metrics.EPOCHS: EPOCHS, Metrics.SECONDS: 9.5,
    }  # fmt: skip
    client.log_batch(
        run,
        params=[Param(key, str(value)) for key, value in zip(KEYS, params, strict=True)],
        metrics=[
            *(
                Metric(name, float(value), now, epoch)
                for name in ("loss", "accuracy", "val_loss", "val_accuracy")
                for epoch, value in enumerate(values)
            ),
            *(Metric(name, float(value), now, 0) for name, value in last.items()),
        ],
        tags=run_tags(
            Kind.TRIAL,
            {
                MLFLOW_PARENT_RUN_ID: parent, Tags.TRIAL: number, Tags.STATE: state,
                Tags.DATA: "0123456789abcdef", Tags.SEED: 0, Tags.VERSION: "1",
                Tags.FOLDER: f"/multirun/{STUDY}/{number}", Tags.COMMIT: "f" * 40,
                Tags.DIRTY: "false", Tags.REASON: "" if state == State.COMPLETE else "because",
            },
        ),
    )  # fmt: skip
    client.set_terminated(run)


def seconds(work: Callable[[], object], repeat: int) -> tuple[float, float]:
    """Return the medians of some repetitions: of wall time, and of processor time."""
    times = []
    for _ in range(repeat):
        began, before = time.perf_counter(), sum(os.times()[:4])
        work()
        times.append((time.perf_counter() - began, sum(os.times()[:4]) - before))
    wall, processor = zip(*times, strict=True)
    return statistics.median(wall), statistics.median(processor)


def run_python(*arguments: str) -> None:
    """Run Python in another process, and drop its output."""
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def measure(uri: str, repeat: int) -> dict[str, tuple[float, float]]:
    """Return wall time and processor time, in seconds, by the part of the command."""
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
        "imports": seconds(lambda: run_python("-c", "import rnnexp.storage.run_reader"), repeat),
        "whole command": seconds(
            lambda: run_python("-c", whole, "compare", STUDY, "--tracking-uri", uri), repeat
        ),
    }


def main() -> None:
    """Write the study, unless the folder has it already, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="folder in which the study is kept")
    arguments = parser.parse_args()
    set_library_defaults()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (arguments.folder or Path(scratch)).absolute()
        uri = f"sqlite:///{folder}/mlflow.db"
        if not (folder / "mlflow.db").exists():
            folder.mkdir(parents=True, exist_ok=True)
            began = time.perf_counter()
            write_study(MlflowClient(uri), arguments.trials)
            print(f"{time.perf_counter() - began:.1f} s to write {arguments.trials} trials")
        print(f"{'':25} {'wall':>9} {'processor':>9}")
        for part, (wall, processor) in measure(uri, arguments.repeat).items():
            print(f"{part:25} {wall:9.2f} {processor:9.2f}")


if __name__ == "__main__":
    main()
