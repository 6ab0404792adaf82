"""Seconds an epoch on TensorFlow and on JAX, and what JAX's compiled code on disk saves.

    python benchmarks/backends.py --model simple_rnn --maxlen 200 --repeats 3

Each training has a process and a core of its own, as in a worker: one on TensorFlow, one on JAX
with an empty folder of compiled code, then one more on JAX. The smallest of several repeats counts.
Compare figures of one run of this script alone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROWS, BATCH, UNITS, EPOCHS = 4000, 50, 64, 3


def train(backend: str, model: str, maxlen: int) -> tuple[float, float]:
    """Train on this process's first core.

    Returns:
        The seconds of the first epoch, from the building of the model on, and those of the fastest
        later epoch.
    """
    from hydra import compose, initialize_config_dir

    from rnnexp import data, keras_runtime
    from rnnexp.training.fit_arguments import fit_arguments
    from rnnexp.training.model import build

    overrides = [
        f"backend={backend}", f"model={model}", f"model.units={UNITS}", f"fit.batch_size={BATCH}",
        f"data.n_train={ROWS}", "data.n_test=60", f"data.maxlen={maxlen}", f"fit.epochs={EPOCHS}",
        "fit.verbose=0", "fit.validation_split=0.01",
    ]  # fmt: skip
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("config", overrides=overrides)
    keras_runtime.choose(backend, deterministic=False)
    keras = keras_runtime.keras()
    dataset = data.load(config.data)
    ends = [time.perf_counter()]
    keras_runtime.new_session()
    keras.utils.set_random_seed(0)
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter())  # noqa: ARG005
    )
    build(config, dataset).fit(**fit_arguments(config, dataset), callbacks=[note])
    first, *later = [after - before for before, after in pairwise(ends)]
    return first, min(later)


def measured(arguments: list[str], cache: Path) -> tuple[float, float]:
    """Return what `train` returns, in a process with one core."""
    core = min(os.sched_getaffinity(0))
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "NPROC")
    environment = dict.fromkeys(names, "1") | {
        "JAX_COMPILATION_CACHE_DIR": str(cache), "TF_CPP_MIN_LOG_LEVEL": "3",
    }  # fmt: skip
    done = subprocess.run(
        ["taskset", "-c", str(core), sys.executable, __file__, "--train", *arguments],  # noqa: S607
        check=True, capture_output=True, text=True, env=os.environ | environment,
    )  # fmt: skip
    first, later = json.loads(done.stdout.splitlines()[-1])
    return first, later


def main() -> None:
    """Print a table of the smallest seconds of each kind of training, and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", help=argparse.SUPPRESS)
    parser.add_argument("--model", default="simple_rnn")
    parser.add_argument("--maxlen", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    if given.train:
        print(json.dumps(train(given.train, given.model, given.maxlen)))
        return
    found: dict[str, list[tuple[float, float]]] = {}
    for _ in range(given.repeats):
        with tempfile.TemporaryDirectory() as cache:
            for name in ("tensorflow", "jax", "jax, compiled before"):
                rest = ["--model", given.model, "--maxlen", str(given.maxlen)]
                times = measured([name.partition(",")[0], *rest], Path(cache))
                found.setdefault(name, []).append(times)
    print(f"{given.model}, {given.maxlen} words: first epoch, later epochs")
    tensorflow = min(later for _, later in found["tensorflow"])
    for name, times in found.items():
        first, later = (min(column) for column in zip(*times, strict=True))
        ratio = tensorflow / later
        print(f"{name:22}{first:8.2f} s{later:8.2f} s  {ratio:.1f} times as fast as TensorFlow")


if __name__ == "__main__":
    main()
