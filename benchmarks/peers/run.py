"""The same search by rnnexp and by its peers, each in an environment of its own.

    python benchmarks/peers/run.py --train FILE --test FILE [--seeds 5] [--only rnnexp loop ...]
        [--outcomes FILE]

The files are tables of reviews with the columns ``text`` and ``label``. The first rows of both are
taken, and a fifth of the training rows is the validation part. Each peer is installed with pip,
once, into a folder of the cache. Each search is a command, timed as a whole; the rest is read from
the record of its epochs (`common.Record`). Searches of one seed run one after the other, in turn.
Without pruning, all train the same params, but hydra-optuna-sweeper and KerasTuner draw their own.
A seed takes 20 to 45 minutes. With ``--outcomes``, outcomes are kept in a file of JSON lines, so
that a run that was broken off goes on.

| figure  | meaning                                                                            |
|---------|------------------------------------------------------------------------------------|
| seconds | of the whole command                                                               |
| epochs  | trained by all trials                                                              |
| loss    | the lowest validation loss                                                         |
| test    | accuracy on the test part of the checkpoint with that loss                         |
| within  | seconds until a validation loss within 1 % of the best that any search of this seed |
|         | has found; of a search that never gets there, its whole time                       |
| memory  | the largest sum of the resident memory of all its processes, in GB                 |
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
from hydra.utils import instantiate
from omegaconf import OmegaConf
from platformdirs import user_cache_path
from space import drawn

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RECORD = "record.jsonl"
VALIDATION_SHARE = 0.2
KEYS = {
    "learning_rate": "compile.optimizer.learning_rate", "embedding_size": "model.embedding_size",
    "units": "model.units", "batch_size": "fit.batch_size",
}  # fmt: skip
KERAS = ("tensorflow==2.21.*", "keras==3.15.*", "numpy", "scipy")


@dataclass(frozen=True)
class Peer:
    """A tool that searches.

    Attributes:
        script: Its script in this folder; None for rnnexp.
        packages: What pip installs.
        can_prune: Whether a trial can end early.
        arguments: More arguments of rnnexp.
    """

    script: str | None
    packages: tuple[str, ...] = ()
    can_prune: bool = True
    arguments: tuple[str, ...] = ()


PEERS = {
    "rnnexp": Peer(None),
    "rnnexp, jax": Peer(None, arguments=("backend=jax",)),
    "loop": Peer("loop.py", KERAS, can_prune=False),
    "hydra-optuna-sweeper": Peer(
        "hydra_optuna.py",
        (*KERAS, "hydra-optuna-sweeper==1.4.0rc3", "hydra-joblib-launcher", "mlflow==3.17.*",
         "tensorboard"),
        can_prune=False,
    ),
    "optuna": Peer(
        "optuna_callbacks.py", (*KERAS, "optuna==5.*", "optuna-integration==5.*", "mlflow==3.17.*")
    ),
    "keras-tuner": Peer(
        "tuner.py",
        (*KERAS, "keras-tuner[bayesian]==1.4.*", "grpcio", "protobuf", "tensorboard"),
    ),
    "ray": Peer("ray_tune.py", (*KERAS, "ray[tune]==2.*", "optuna==4.*", "mlflow==3.17.*")),
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What a search has led to.

    Attributes:
        seconds: Of the whole command.
        memory: The largest sum of resident memory, in GB.
        epochs: Seconds since the start, and validation loss, of each epoch.
        test: Accuracy on the test part.
    """

    seconds: float
    memory: float
    epochs: Sequence[tuple[float, float]]
    test: float

    @property
    def loss(self) -> float:
        """The lowest validation loss."""
        return min(value for _, value in self.epochs)

    def within(self, best: float) -> float:
        """Return the seconds until within 1 % of the best known loss."""
        there = [seconds for seconds, value in self.epochs if value <= 1.01 * best]
        return min(there, default=self.seconds)


Key = tuple[int, bool, str]  # seed, whether trials are pruned, name


def prepare(options: argparse.Namespace, folder: Path) -> None:
    """Write the tables that rnnexp reads, and the same reviews as arrays for its peers."""
    train = pd.read_csv(options.train).head(options.rows)
    kept = round(len(train) * (1 - VALIDATION_SHARE))
    parts = {
        "train": train[:kept], "validation": train[kept:],
        "test": pd.read_csv(options.test).head(options.rows),
    }  # fmt: skip
    for name, rows in parts.items():
        rows.to_csv(folder / f"{name}.csv", index=False)
    config = OmegaConf.load(ROOT / "conf" / "data" / "table.yaml")
    config.merge_with({name: str(folder / f"{name}.csv") for name in parts})
    config.merge_with({"weight": None, "maxlen": options.maxlen, "validation_split": None})
    dataset = instantiate(config).load()
    arrays = {"num_words": dataset.input_dim}
    for name, part in (
        ("train", dataset.train()), ("validation", dataset.validation()), ("test", dataset.test()),
    ):  # fmt: skip
        arrays |= {f"x_{name}": part.x, f"y_{name}": part.y}
    np.savez(folder / "problem.npz", **arrays)


def environment_of(name: str, peer: Peer) -> Path:
    """Make a peer's environment, unless it was made before.

    Returns:
        Its Python.
    """
    folder = user_cache_path("rnnexp") / "peers" / name
    python, done = folder / "bin" / "python", folder / "packages.txt"
    wanted = "\n".join(peer.packages)
    if not (done.exists() and done.read_text() == wanted):
        print(f"installing {name} into {folder}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *peer.packages], check=True)
        done.write_text(wanted)
    return python


def command_of(
    name: str, folder: Path, options: argparse.Namespace, seed: int, *, prunes: bool
) -> list[str]:
    """Return the command of a search."""
    peer, processes = PEERS[name], psutil.cpu_count() or 1
    if peer.script:
        return [
            str(environment_of(name, peer)), str(HERE / peer.script),
            "--folder", str(folder), "--trials", str(options.trials),
            "--epochs", str(options.epochs), "--seed", str(seed),
            "--prunes", str(int(prunes)), "--processes", str(processes),
        ]  # fmt: skip
    without = ["pruner=none", "~callbacks.early_stopping", enqueued(drawn(options.trials, seed))]
    return [
        sys.executable, str(ROOT / "sweep.py"), "-m", *peer.arguments, *([] if prunes else without),
        *data_overrides(options), f"fit.epochs={options.epochs}", f"seed={seed}",
        "hydra.sweeper.study_name=peer", f"hydra.sweeper.n_trials={options.trials}",
        f"hydra.sweeper.n_jobs={processes}",
    ]  # fmt: skip


def data_overrides(options: argparse.Namespace) -> list[str]:
    """Return the overrides of rnnexp for the tables that `prepare` writes."""
    return [
        "data=table", *(f"data.{part}={part}.csv" for part in ("train", "test")),
        "fit.validation_data=validation.csv", f"data.maxlen={options.maxlen}",
    ]  # fmt: skip


def enqueued(params: Sequence[Mapping[str, Any]]) -> str:
    """Return the override of rnnexp that tries some params."""
    trials = (
        ",".join(f"{key}:{one[name]}" for name, key in KEYS.items()) for one in params
    )  # fmt: skip
    return "hydra.sweeper.enqueue=[" + ",".join(f"{{{trial}}}" for trial in trials) + "]"


def search(name: str, options: argparse.Namespace, seed: int, *, prunes: bool) -> Outcome:
    """Run a search in a new folder."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        prepare(options, folder)
        command = command_of(name, folder, options, seed, prunes=prunes)
        began = time.time()
        memory = run(name, command, folder)
        seconds = time.time() - began
        epochs, file = (epochs_of_rnnexp if name.startswith("rnnexp") else epochs_of_peer)(folder)
        test = test_accuracy(folder, file)
        return Outcome(seconds, memory, [(at - began, value) for at, value in epochs], test)


def run(name: str, command: list[str], folder: Path) -> float:
    """Run a command, which has to succeed.

    Returns:
        The largest sum of the memory of its processes, in GB.
    """
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, text=True)
        memory = watch(process)
    if process.returncode:
        sys.exit(f"{name} failed:\n{(folder / 'log').read_text()[-3000:]}")
    return memory


def watch(process: "subprocess.Popen[str]") -> float:
    """Wait for a process; return the largest sum of the memory of its tree, in GB."""
    largest = 0
    while process.poll() is None:
        total = 0
        try:
            root = psutil.Process(process.pid)
            tree = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            break
        for one in tree:
            try:
                total += one.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        largest = max(largest, total)
        time.sleep(0.5)
    process.wait()
    return largest / 1e9


def epochs_of_peer(folder: Path) -> tuple[list[tuple[float, float]], Path]:
    """Return when each epoch ended, with its loss; and the checkpoint of the best trial."""
    lines = [json.loads(line) for line in (folder / RECORD).read_text().splitlines()]
    best = min(lines, key=lambda line: float(line["value"]))
    file = folder / "checkpoints" / f"{best['trial']}.keras"
    return [(line["time"], line["value"]) for line in lines], file


def epochs_of_rnnexp(folder: Path) -> tuple[list[tuple[float, float]], Path]:
    """Return the same of rnnexp, as MLflow has it."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'rnnexp'")
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    found, files = [], {}
    for run in runs:
        for metric in client.get_metric_history(run.info.run_id, "val_loss"):
            found.append((metric.timestamp / 1000, metric.value))
            files[metric.value] = folder / "multirun" / "peer" / run.data.tags["trial"]
    return found, files[min(files)] / "best.keras"


def test_accuracy(folder: Path, file: Path) -> float:
    """Evaluate a checkpoint on the test part."""
    code = (
        "import keras, numpy, sys; a = numpy.load(sys.argv[1]);"
        "print(keras.models.load_model(sys.argv[2]).evaluate("
        "a['x_test'], a['y_test'], verbose=0)[1])"
    )
    command = [sys.executable, "-c", code, folder / "problem.npz", file]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(printed.split()[-1])


def show(outcomes: Mapping[str, Sequence[Outcome]], best: Sequence[float]) -> None:
    """Print a Markdown table of medians; within 1 % also as a mean, which no lucky seed decides."""
    print("| search | seconds | epochs | loss | test | within, median | mean | memory |")
    print("|---|---|---|---|---|---|---|---|")
    for name, of_seeds in outcomes.items():
        within = [one.within(known) for one, known in zip(of_seeds, best, strict=True)]
        cells = [
            f"{statistics.median(one.seconds for one in of_seeds):.0f}",
            f"{statistics.median(len(one.epochs) for one in of_seeds):.0f}",
            f"{statistics.median(one.loss for one in of_seeds):.4f}",
            f"{statistics.median(one.test for one in of_seeds):.4f}",
            f"{statistics.median(within):.0f}",
            f"{statistics.mean(within):.0f}",
            f"{statistics.median(one.memory for one in of_seeds):.1f}",
        ]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Run all searches, and print a table without pruning and one with it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS))
    for name, default in (
        ("rows", 5000), ("maxlen", 200), ("trials", 12), ("epochs", 8), ("seeds", 5),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--outcomes", type=Path)
    options = parser.parse_args()
    print(
        f"keras {version('keras')}, tensorflow {version('tensorflow')}; {psutil.cpu_count()} cores"
    )
    outcomes = kept(options.outcomes)
    for seed in range(options.seeds):
        for prunes, name in product((False, True), options.only):
            if (PEERS[name].can_prune or not prunes) and (seed, prunes, name) not in outcomes:
                outcome = search(name, options, seed, prunes=prunes)
                outcomes[seed, prunes, name] = outcome
                keep(options.outcomes, (seed, prunes, name), outcome)
                print(f"seed {seed}, {name}: {outcome.seconds:.0f} s", flush=True)
        show_all(outcomes)


def kept(file: Path | None) -> dict[Key, Outcome]:
    """Read the outcomes of an earlier run of this script."""
    if not file or not file.exists():
        return {}
    lines = map(json.loads, file.read_text().splitlines())
    return {tuple(key): Outcome(**fields) for key, fields in lines}


def keep(file: Path | None, key: Key, outcome: Outcome) -> None:
    """Add an outcome to the file."""
    if file:
        with file.open("a") as stream:
            stream.write(json.dumps((key, vars(outcome))) + "\n")


def show_all(outcomes: Mapping[Key, Outcome]) -> None:
    """Print a table without pruning and one with it."""
    for prunes in (False, True):
        of_mode = {key: outcome for key, outcome in outcomes.items() if key[1] == prunes}
        if not of_mode:
            continue
        seeds = sorted({seed for seed, _, _ in of_mode})
        best = [min(o.loss for k, o in of_mode.items() if k[0] == seed) for seed in seeds]
        of_names: dict[str, list[Outcome]] = {}
        for (_, _, name), outcome in sorted(of_mode.items(), key=lambda item: item[0][0]):
            of_names.setdefault(name, []).append(outcome)
        title = "With each tool's pruner" if prunes else "Without pruning"
        print(f"\n{title}, {len(seeds)} seeds:\n")
        show(of_names, best)


if __name__ == "__main__":
    main()
