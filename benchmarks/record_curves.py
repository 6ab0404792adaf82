"""Recorder of full learning curves of random params, on which pruners are replayed.

    python benchmarks/record_curves.py TRAIN TEST [--trials 60] [--seeds 1 2 3 4 5 6] [--out FILE]
        [--overrides data.maxlen=60 model=gru]

TRAIN and TEST are CSV files with the columns text and label, such as the IMDB reviews. The first
5,000 rows of each are used. For each seed, a sweep with the random sampler and without pruning
runs in its own process on its own core, with at most 12 epochs, and EarlyStopping with patience 5
as in every sweep. The defaults gave `benchmarks/curves.csv`. The overrides above, with 40 trials
and the seeds 11 and 12, gave `benchmarks/curves_gru.csv`, which no default was chosen by. A file
has a row for each trial and epoch; `study` is the seed.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from subprocess import STDOUT, Popen

import optuna
import pandas as pd

ROOT = Path(__file__).parents[1]
REVIEWS, MAXLEN, EPOCHS = 5000, 100, 12


def start(folder: Path, overrides: list[str], trials: int, seed: int, core: int) -> Popen[bytes]:
    """Start a sweep in another process, on one core."""
    return Popen(
        [
            sys.executable, ROOT / "sweep.py", "-m", "data=table", f"data.maxlen={MAXLEN}",
            f"fit.epochs={EPOCHS}", "sampler=random", "pruner=none", f"sampler.seed={seed}",
            f"hydra.sweeper.n_trials={trials}", f"hydra.sweeper.study_name=curves-{seed}",
            "hydra.sweeper.n_jobs=1", *overrides,
        ],
        cwd=folder,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),  # noqa: PLW1509
        stdout=(folder / f"{seed}.log").open("w"),
        stderr=STDOUT,
    )  # fmt: skip


def rows(storage: str, seed: int) -> list[dict[str, object]]:
    """Return the curves of a sweep, a row for each trial and epoch."""
    study = optuna.load_study(study_name=f"curves-{seed}", storage=storage)
    return [
        {
            "study": seed,
            "trial": trial.number,
            **{key.rpartition(".")[2]: value for key, value in trial.params.items()},
            "epoch": epoch,
            "val_loss": round(value, 6),
        }
        for trial in study.trials
        for epoch, value in sorted(trial.intermediate_values.items())
    ]


def main() -> None:
    """Record the curves, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6])
    parser.add_argument("--overrides", nargs="*", default=[], help="overrides of every sweep")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "curves.csv")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("train", "test"):
            frame = pd.read_csv(getattr(options, part), dtype=str, keep_default_na=False)
            frame.head(REVIEWS).to_csv(folder / f"{part}.csv", index=False)
        data = [f"data.{part}={folder}/{part}.csv" for part in ("train", "test")]
        storage = f"sqlite:///{folder}/optuna.db"
        optuna.study.get_all_study_names(storage)  # makes the tables before the sweeps start
        cores = os.cpu_count() or 1
        database = [*data, f"hydra.sweeper.storage={storage}", *options.overrides]
        for first in range(0, len(options.seeds), cores):  # as many at once as there are cores
            sweeps = {}
            for core, seed in enumerate(options.seeds[first : first + cores]):
                home = folder / str(seed)
                home.mkdir()
                sweeps[seed] = start(home, database, options.trials, seed, core)
            for seed, sweep in sweeps.items():
                if sweep.wait():
                    sys.exit((folder / str(seed) / f"{seed}.log").read_text())
        table = pd.DataFrame([row for seed in options.seeds for row in rows(storage, seed)])
        table.to_csv(options.out, index=False)


if __name__ == "__main__":
    main()
