"""Keras as trials need it: on the backend of the config, without start-up messages, and reset.

    choose(backend) -> keras(), which imports Keras -> be_deterministic(), new_session()

A process has one backend for its life: Keras reads the environment variable ``KERAS_BACKEND`` when
it is imported, and never again.
"""

import gc
import importlib
import importlib.util
import logging
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType

import numpy as np

from rnnexp.errors import ConfigError
from rnnexp.jax_defaults import set_jax_defaults
from rnnexp.quick_imports import quick_imports

log = logging.getLogger(__name__)

# The beginning of the version of Keras whose private names `remember_skipsets` and `_forget_names`
# use.
PRIVATE_NAMES_OF = "3.15."
JAX = "jax"
BACKENDS = ("tensorflow", JAX)
VARIABLE = "KERAS_BACKEND"
# As fast in training, and compiled in two thirds of the time (benchmarks/README.md).
QUICK_TO_COMPILE = "--xla_backend_optimization_level=1"


def choose(backend: str, *, deterministic: bool) -> None:
    """Choose the backend that Keras has in this process, before anything imports Keras.

    The config decides: another backend in the environment, or in ``~/.keras/keras.json``, is
    ignored.

    Args:
        backend: One of `BACKENDS`.
        deterministic: Whether trainings have to give equal numbers, which JAX has to know before
            its first operation on a GPU.

    Raises:
        ConfigError: If this process can't have the backend; see `backend_problem`.
    """
    if problem := backend_problem(backend):
        raise ConfigError([problem])
    given = os.environ.get(VARIABLE)
    if given and given != backend:
        log.warning(
            "%s=%s in the environment is ignored: the config has backend=%s",
            VARIABLE,
            given,
            backend,
        )
    os.environ[VARIABLE] = backend
    os.environ.setdefault("XLA_FLAGS", QUICK_TO_COMPILE)
    if backend == JAX:
        set_jax_defaults(deterministic=deterministic)


def backend_problem(backend: str) -> str | None:
    """Return why this process can't have a backend; None if it can.

    Args:
        backend: One of `BACKENDS`.
    """
    if "keras" in sys.modules and (imported := keras().backend.backend()) != backend:
        return (
            f"backend={backend}: this process has imported Keras with backend={imported}, which it "
            "keeps for its life; start a new process, or run trials with hydra/launcher=workers"
        )
    if backend == JAX and importlib.util.find_spec(JAX) is None:
        return f"backend={JAX}: JAX is not installed; pip install 'rnnexp[{JAX}]'"
    return None


def keras() -> ModuleType:
    """Return Keras; the first call of a process imports it, which takes seconds.

    During the import, TensorFlow's libraries write messages about the processor and missing
    graphics drivers to file descriptor 2, before TensorFlow's own settings apply. The messages are
    held back, and shown only if the import fails.
    """
    if "keras" in sys.modules:
        return sys.modules["keras"]
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as messages:
        os.dup2(messages.fileno(), 2)
        try:
            with quick_imports():
                module = importlib.import_module("keras")
        except BaseException:
            messages.seek(0)
            os.write(terminal, messages.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
    if module.backend.backend() == JAX and "tensorflow" not in sys.modules:
        _do_without_tensorflow(module)
    return module


def _do_without_tensorflow(keras: ModuleType) -> None:
    """Let Keras find that it can't import TensorFlow, which it asks once a process.

    On JAX, Keras would import TensorFlow, for seconds, to seed it, and to ask of each part of a
    model that is saved whether it is one of TensorFlow's types.
    """
    sys.modules["tensorflow"] = None  # type: ignore[assignment]  # an import raises ImportError
    try:
        keras.saving.serialize_keras_object(np.float32(0))  # the smallest call that asks
    finally:
        del sys.modules["tensorflow"]


@cache
def be_deterministic() -> None:
    """Make the backend's operations deterministic, for the rest of the process.

    JAX's are on a CPU; on a GPU they are by a flag that `choose` sets.
    """
    if keras().backend.backend() == JAX:
        return
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()


@contextmanager
def quick_to_compile() -> Iterator[None]:
    """Let JAX compile what runs once, such as the drawing of initial weights, without optimizing.

    The drawing of each shape of weights is compiled, for a quarter of a second, and then runs for
    less than a millisecond. The numbers drawn are the same.
    """
    if keras().backend.backend() != JAX:
        yield
        return
    import jax

    name = "jax_disable_most_optimizations"
    given = jax.config.read(name)
    jax.config.update(name, val=True)
    try:
        yield
    finally:
        jax.config.update(name, given)


def has_gpu() -> bool:
    """Return whether the backend computes on a GPU, which it needs libraries for."""
    return any("gpu" in name.lower() for name in keras().distribution.list_devices())


def new_session(*, has_compiled: bool = False) -> None:
    """Reset Keras's global state before a training, when all libraries have been imported.

    Args:
        has_compiled: Whether the process keeps compiled models. Then only Keras's counts of names
            are reset: `clear_session` also lets TensorFlow forget how to run the steps of these
            models, and collects garbage, which together took 0.3 s a training.
    """
    _freeze_libraries()
    module = keras()
    is_known = module.__version__.startswith(PRIVATE_NAMES_OF)
    if is_known and has_compiled:
        _forget_names()
        return
    module.utils.clear_session()
    if is_known:
        remember_skipsets()


def set_seed(seed: int, *, of_backend: bool = True) -> None:
    """Seed the random numbers of a training.

    Args:
        seed: The seed.
        of_backend: Whether to seed TensorFlow's own random numbers, too, as Keras does. TensorFlow
            then forgets how to run the steps of compiled models that the process keeps, and finds
            it out again, in 0.2 s a training.
    """
    if of_backend:
        keras().utils.set_random_seed(seed)
    else:
        random.seed(seed)
        np.random.seed(seed)


def _forget_names() -> None:
    """Let Keras name the next layers and metrics as the first of a process, such as ``dense``."""
    from keras.src.backend.common.global_state import set_global_attribute

    set_global_attribute("object_name_uids", None)


@cache
def _freeze_libraries() -> None:
    """Exempt the libraries' objects from the garbage collection of `clear_session`.

    The objects live as long as the process; visiting hundreds of thousands took 0.2 s a trial.
    """
    gc.collect()
    gc.freeze()


def remember_skipsets() -> None:
    """Let Keras find the names of the attributes that it leaves out when it saves a model.

    Keras 3.15 stores these names as ``saving_attr_skipset_KIND`` and looks for them as
    ``saving_attr_skiplist_KIND`` (``get_attr_skipset`` in keras/src/saving/saving_lib.py). So, for
    every part of a model, it makes a layer or an optimizer to look at: a third of the time of a
    checkpoint. The two private names are used with this version of Keras alone.
    """
    from keras.src.backend.common.global_state import set_global_attribute

    for kind, names in _skipsets().items():
        set_global_attribute(f"saving_attr_skiplist_{kind}", names)


@cache
def _skipsets() -> dict[str, set[str]]:
    from keras.src.saving.saving_lib import get_attr_skipset

    kinds = ("Functional", "Layer", "Loss", "Metric", "Operation", "Optimizer", "Sequential")
    return {kind: get_attr_skipset(kind) for kind in kinds}
