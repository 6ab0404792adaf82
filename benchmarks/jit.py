"""Training on TensorFlow as Keras does it, without loops, and with XLA: which pays from where.

    python benchmarks/jit.py [--rows 1250] [--words 30 100 200] [--models simple_rnn lstm]

Each model of ``conf/model`` is trained in one process with one thread, as a worker trains it, with
``model.unroll=true``, with ``compile.jit_compile=true``, and with neither, in turn, twice. The
smaller first epoch counts, and the fastest later one. "Pays from" is the number of batches of
training after which the longer first epoch is given back: the rules in rnnexp/training/unroll.py
and jit.py are made of it.
"""

import argparse
import os
from collections.abc import Iterator

from timed_training import timed_training

MODELS = ("simple_rnn", "lstm", "gru", "bidirectional", "stacked")
KINDS = {
    "Keras": ["model.unroll=false", "compile.jit_compile=false"],
    "unrolled": ["model.unroll=true", "compile.jit_compile=false"],
    "XLA": ["model.unroll=false", "compile.jit_compile=true"],
}
EPOCHS = 4
REPEATS = 2
BATCH = 50
MOST_WORDS = 100  # without loops: for longer texts, the graph alone takes minutes


def epochs(overrides: list[str], kind: str) -> tuple[float, float, float]:
    """Train a model.

    Returns:
        The seconds of the first epoch with its validation, those of the fastest later one, and the
        last ``val_loss``.
    """
    seconds, history, _, _ = timed_training([*overrides, *KINDS[kind], "fit.verbose=0"])
    first, *later = seconds
    return first, min(later), history["val_loss"][-1]


def rows(model: str, words: int, texts: int) -> Iterator[list[str]]:
    """Measure a model on texts of a length, and yield the cells of the rows of the table."""
    overrides = [
        f"model={model}", f"data.maxlen={words}", f"data.n_train={texts}", "data.n_test=100",
        f"fit.batch_size={BATCH}", f"fit.epochs={EPOCHS}",
    ]  # fmt: skip
    kinds = KINDS if words <= MOST_WORDS else [kind for kind in KINDS if kind != "unrolled"]
    found: dict[str, list[tuple[float, float, float]]] = {kind: [] for kind in kinds}
    for _ in range(REPEATS):
        for kind, times in found.items():
            times.append(epochs(overrides, kind))
    least = {kind: [min(column) for column in zip(*found[kind], strict=True)] for kind in kinds}
    plain_first, plain, _ = least["Keras"]
    for kind, (first, later, loss) in least.items():
        cost, gained = (first - later) - (plain_first - plain), plain - later
        batches = texts * 4 / 5 / BATCH * cost / gained if gained > 0 else float("inf")
        yield [
            f"{model}, {words}", kind, f"{first:.1f}", f"{later:.2f}", f"{plain / later:.1f}",
            f"{loss:.4f}", "" if kind == "Keras" else f"{batches:,.0f}",
        ]  # fmt: skip


def main() -> None:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1250, help="reviews; a fifth is validated on")
    parser.add_argument("--words", type=int, nargs="+", default=[30, 100, 200])
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    options = parser.parse_args()

    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = "1"  # as a worker with one core
    from rnnexp import keras_runtime
    from rnnexp.library_defaults import set_library_defaults

    set_library_defaults()
    keras_runtime.choose("tensorflow", deterministic=False)
    tiny = ["data.n_train=100", "data.n_test=50", "data.maxlen=4", "fit.epochs=2"]
    for kind in KINDS:  # what TensorFlow and XLA do once in a process
        epochs(tiny, kind)
    heads = ["model, words", "", "first epoch, s", "later epochs, s", "ratio", "val_loss"]
    print(f"| {' | '.join([*heads, 'pays from'])} |\n{'|---' * (len(heads) + 1)}|", flush=True)
    for words in options.words:
        for model in options.models:
            for row in rows(model, words, options.rows):
                print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
