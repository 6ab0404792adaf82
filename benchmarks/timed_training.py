"""One training as a worker trains it, with the seconds of each epoch."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

CONF = Path(__file__).parents[1] / "conf"


def timed_training(
    overrides: Sequence[str],
    clock: Callable[[], float] = time.perf_counter,
    *,
    has_streams: bool = True,
) -> tuple[list[float], Mapping[str, list[float]], Any, dict[str, Any]]:
    """Train with a config.

    Args:
        overrides: Hydra's overrides.
        clock: Gives seconds, by the clock or of the processor.
        has_streams: False to hand arrays to Keras, and to leave its steps as Keras makes them.

    Returns:
        The seconds of each epoch, the first from the building of the model on; Keras's history; the
        dataset; and the arguments of ``model.fit`` before they were streams.
    """
    from hydra import compose, initialize_config_dir

    from rnnexp import data, keras_runtime
    from rnnexp.training.fit_arguments import fit_arguments
    from rnnexp.training.model import build
    from rnnexp.training.one_training import settle_steps
    from rnnexp.training.streams import fit_on_streams

    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", overrides=list(overrides))
    keras_runtime.choose(config.backend, deterministic=False)
    keras = keras_runtime.keras()
    dataset = data.load(config.data)
    ends = [clock()]
    keras_runtime.new_session()
    keras.utils.set_random_seed(config.seed)
    model, arguments = build(config, dataset), fit_arguments(config, dataset)
    if has_streams:
        model = settle_steps(config, model, arguments)
    given = fit_on_streams(arguments, config.seed) if has_streams else dict(arguments)
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: ends.append(clock()))
    history = model.fit(**given | {"callbacks": [*given.get("callbacks", []), note]}).history
    return [after - before for before, after in pairwise(ends)], history, dataset, arguments


def on_one_core(script: str, arguments: Sequence[str], cache: Path) -> Any:
    """Run a script in a process with one core and one thread, as a worker has.

    Args:
        script: The file of the script.
        arguments: Its arguments.
        cache: The folder of JAX's compiled code.

    Returns:
        The last line that it prints, read as JSON.
    """
    core = min(os.sched_getaffinity(0))
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "NPROC")
    environment = dict.fromkeys(names, "1") | {
        "JAX_COMPILATION_CACHE_DIR": str(cache), "TF_CPP_MIN_LOG_LEVEL": "3",
    }  # fmt: skip
    done = subprocess.run(
        ["taskset", "-c", str(core), sys.executable, script, *arguments],  # noqa: S607
        check=True, stdout=subprocess.PIPE, text=True, env=os.environ | environment,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])
