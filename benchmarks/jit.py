"""Training with XLA and without: the first epoch, the later ones, and from where XLA pays.

    python benchmarks/jit.py [--rows 1250] [--words 30 100 200] [--models simple_rnn lstm]

Each model of ``conf/model`` is trained in one process with one thread, as a worker trains it, in
turn with ``compile.jit_compile=false`` and ``true``. Seconds are those of the processor, which
others that work on the same cores change less than the wall time; the ratio is that of the wall
times of the fastest epochs. The last column is what the rule in rnnexp/training/jit.py is made of:
the steps of the recurrent loops (words of a text x batches x loops) after which XLA has given back
what compiling costs.
"""

import argparse
import os
import time
from pathlib import Path

CONF = Path(__file__).parents[1] / "conf"
LOOPS = {"simple_rnn": 1, "lstm": 1, "gru": 1, "bidirectional": 2, "stacked": 2}
EPOCHS = 4
BATCH = 50

Times = tuple[float, float]  # of the processor, of a clock


def epochs(overrides: list[str], *, jit: bool) -> tuple[list[Times], float]:
    """Train a model.

    Returns:
        The seconds of each epoch with its validation, and the last ``val_loss``.
    """
    import keras
    from hydra import compose, initialize_config_dir

    from rnnexp import data, keras_runtime
    from rnnexp.training.fit_arguments import fit_arguments
    from rnnexp.training.jit import settle
    from rnnexp.training.model import build

    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", [*overrides, f"compile.jit_compile={jit}", "fit.verbose=0"])
    keras_runtime.new_session()
    keras.utils.set_random_seed(0)
    dataset = data.load(config.data)
    model, arguments = build(config, dataset), fit_arguments(config, dataset)
    settle(config, model, arguments)
    moments: list[Times] = []
    clock = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda *_: moments.append((time.process_time(), time.perf_counter())),
        on_epoch_end=lambda *_: moments.append((time.process_time(), time.perf_counter())),
    )
    history = model.fit(**arguments, callbacks=[clock])
    took = [
        (after[0] - before[0], after[1] - before[1])
        for before, after in zip(moments[::2], moments[1::2], strict=True)
    ]
    return took, history.history["val_loss"][-1]


def row(model: str, words: int, rows: int) -> list[str]:
    """Measure a model on texts of a length, and return the cells of a row of the table."""
    overrides = [
        f"model={model}", f"data.maxlen={words}", f"data.n_train={rows}", "data.n_test=100",
        f"fit.batch_size={BATCH}", f"fit.epochs={EPOCHS}",
    ]  # fmt: skip
    (plain, plain_loss), (fast, fast_loss) = (epochs(overrides, jit=jit) for jit in (False, True))
    later = [min(cpu for cpu, _ in took[1:]) for took in (plain, fast)]
    wall = [min(seconds for _, seconds in took[1:]) for took in (plain, fast)]
    cost = (fast[0][0] - later[1]) - (plain[0][0] - later[0])
    given = later[0] - later[1]
    steps = LOOPS[model] * words * (rows * 4 // 5 // BATCH)
    return [
        f"{model}, {words}", f"{later[0]:.2f}", f"{later[1]:.2f}", f"{wall[0] / wall[1]:.1f}",
        f"{plain[0][0]:.1f}", f"{fast[0][0]:.1f}", f"{plain_loss:.4f}", f"{fast_loss:.4f}",
        f"{steps * cost / given:,.0f}" if given > 0 else "never",
    ]  # fmt: skip


def main() -> None:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1250, help="reviews; a fifth is validated on")
    parser.add_argument("--words", type=int, nargs="+", default=[30, 100, 200])
    parser.add_argument("--models", nargs="+", default=list(LOOPS), choices=list(LOOPS))
    options = parser.parse_args()

    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = "1"  # as a worker with one core
    from rnnexp.library_defaults import set_library_defaults

    set_library_defaults()
    tiny = ["data.n_train=100", "data.n_test=50", "data.maxlen=4", "fit.epochs=1"]
    for jit in (False, True):  # what TensorFlow and XLA do once in a process
        epochs(tiny, jit=jit)
    heads = ["model, words", "later epochs, s", "with XLA", "ratio", "first epoch, s", "with XLA"]
    heads += ["val_loss", "with XLA", "pays from"]
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|", flush=True)
    for words in options.words:
        for model in options.models:
            print(f"| {' | '.join(row(model, words, options.rows))} |", flush=True)


if __name__ == "__main__":
    main()
