"""Seconds an epoch with ``data.bucketing`` and without, and the loss that is reached.

    python benchmarks/bucketing.py --backend jax --model lstm --maxlen 500 [--reviews train.csv]

The reviews are Keras's IMDB set, or a file with the columns ``text`` and ``label``. Each training
has a process and a core of its own, as in a worker; the kinds of training take turns. Seconds are
those of the processor, which others that work on the same core change less than the wall time. The
first epoch begins with the building of the model; of later epochs the fastest counts. "Ids" are
those that the model reads in an epoch, validation included; ``val_loss`` is the best, its mean over
the seeds. The first row, without a mask, is the project's default. Compare figures of one run of
this script alone.
"""

import argparse
import csv
import json
import sys
import tempfile
import time
from pathlib import Path

from timed_training import on_one_core, timed_training

KINDS = {
    "without a mask": [],
    "masked": ["model.mask_zero=true"],
    "masked, 2 lengths": ["model.mask_zero=true", "data.bucketing=2"],
    "masked, 4 lengths": ["model.mask_zero=true", "data.bucketing=4"],
    "masked, 8 lengths": ["model.mask_zero=true", "data.bucketing=8"],
}
Figures = tuple[float, float, float, float, list[int]]


def train(overrides: list[str]) -> Figures:
    """Train on this process's first core.

    Returns:
        The seconds of the first epoch and of the fastest later one, the ids that are read in an
        epoch, the best ``val_loss``, and the lengths.
    """
    seconds, history, dataset, arguments = timed_training(overrides, time.process_time)
    ids = dataset.train().x.size
    if dataset.lengths:
        parts = arguments["x"], arguments["validation_data"]
        ids = sum(int(part.widths.sum()) * part.batch_size for part in parts)
    first, *later = seconds
    return first, min(later), ids, min(history["val_loss"]), list(dataset.lengths)


def first_rows(file: Path, rows: int, folder: Path) -> Path:
    """Copy the first rows of a table into a folder."""
    import pandas as pd

    target = folder / "train.csv"
    pd.read_csv(file, nrows=rows).to_csv(target, index=False, quoting=csv.QUOTE_ALL)
    return target


def main() -> None:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", default="tensorflow")
    parser.add_argument("--model", default="lstm")
    parser.add_argument("--maxlen", default="500", help="ids of a review, or null for no limit")
    parser.add_argument("--reviews", type=Path, help="a file; else Keras's IMDB set")
    parser.add_argument("--rows", type=int, default=2500, help="of the file")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    given = parser.parse_args()
    found: dict[str, list[Figures]] = {}
    with tempfile.TemporaryDirectory() as name:
        data = ["data=imdb"]
        if given.reviews:
            file = first_rows(given.reviews, given.rows, Path(name))
            data = ["data=table", f"data.train={file}", "data.test=0.1"]
        common = [
            *data, f"data.maxlen={given.maxlen}", f"backend={given.backend}",
            f"model={given.model}", f"fit.epochs={given.epochs}", "fit.verbose=0",
            "compile.optimizer.learning_rate=0.003",
        ]  # fmt: skip
        for seed in range(given.seeds):
            for kind in given.kinds:
                cache = Path(name, f"{kind} {seed}")  # of compiled code
                overrides = [*common, *KINDS[kind], f"seed={seed}"]
                found.setdefault(kind, []).append(
                    tuple(on_one_core(__file__, ["--train", *overrides], cache))
                )
    print(f"{given.model} on {given.backend}, {given.maxlen} ids at most\n")
    print("| | first epoch, s | later epochs, s | times as fast | ids | val_loss | lengths |")
    print("|---|---|---|---|---|---|---|")
    usual = min(later for _, later, *_ in found[given.kinds[0]])
    for kind, figures in found.items():
        first, later = (min(column) for column in list(zip(*figures, strict=True))[:2])
        _, _, ids, _, lengths = figures[0]
        loss = sum(one[3] for one in figures) / len(figures)
        print(
            f"| {kind} | {first:.1f} | {later:.2f} | {usual / later:.1f} | {ids:,} | {loss:.4f} "
            f"| {', '.join(map(str, lengths))} |"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:
        print(json.dumps(train(sys.argv[2:])))
    else:
        main()
