"""Seconds an epoch with plain Keras on TensorFlow, with XLA, and on JAX; and JAX's code on disk.

    python benchmarks/backends.py [--models simple_rnn lstm gru] [--maxlen 200] [--repeats 3]

Each training has a process and a core of its own, as in a worker: on TensorFlow without XLA, which
is plain Keras, and with it, on JAX with an empty folder of compiled code, then once more on JAX.
The smallest of several repeats counts. Compare figures of one run of this script alone.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from timed_training import on_one_core, timed_training

ROWS, BATCH, UNITS, EPOCHS = 4000, 50, 64, 3
PLAIN = "plain Keras"
KINDS = {
    PLAIN: "backend=tensorflow model.unroll=false compile.jit_compile=false",
    "with XLA": "backend=tensorflow model.unroll=false compile.jit_compile=true",
    "JAX": "backend=jax",
    "JAX, compiled before": "backend=jax",
}

Times = tuple[float, float, float]


def train(kind: str, model: str, maxlen: int) -> Times:
    """Train on this process's first core.

    Returns:
        The seconds of the first epoch, from the building of the model on, those of the fastest
        later epoch, and the last training loss.
    """
    overrides = [
        *KINDS[kind].split(), f"model={model}", f"model.units={UNITS}", f"fit.batch_size={BATCH}",
        f"data.n_train={ROWS}", "data.n_test=60", f"data.maxlen={maxlen}", f"fit.epochs={EPOCHS}",
        "fit.verbose=0", "fit.validation_split=0.01",
    ]  # fmt: skip
    (first, *later), history, _, _ = timed_training(overrides, has_streams=kind != PLAIN)
    return first, min(later), history["loss"][-1]


def rows(model: str, maxlen: int, repeats: int) -> Iterator[str]:
    """Measure a model, and yield the rows of the table."""
    found: dict[str, list[Times]] = {kind: [] for kind in KINDS}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as cache:
            for kind, times in found.items():
                arguments = ["--train", kind, "--models", model, "--maxlen", str(maxlen)]
                times.append(tuple(on_one_core(__file__, arguments, Path(cache))))
    plain = min(later for _, later, _ in found[PLAIN])
    for kind, times in found.items():
        first, later, loss = (min(column) for column in zip(*times, strict=True))
        yield (
            f"| {model}, {maxlen} | {kind} | {first:.2f} | {later:.2f} | {plain / later:.1f} "
            f"| {loss:.4f} |"
        )


def main() -> None:
    """Print a Markdown table of the smallest seconds of each kind of training, and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--train", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--models", nargs="+", default=["simple_rnn", "lstm", "gru"])
    parser.add_argument("--maxlen", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    if given.train:
        print(json.dumps(train(given.train, given.models[0], given.maxlen)))
        return
    print("| model, words | | first epoch, s | later epochs, s | ratio | loss |")
    print("|---|---|---|---|---|---|")
    for model in given.models:
        for row in rows(model, given.maxlen, given.repeats):
            print(row, flush=True)


if __name__ == "__main__":
    main()
