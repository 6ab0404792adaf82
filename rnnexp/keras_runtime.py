"""Keras as trials need it: imported without start-up messages, and reset before each training."""

import gc
import importlib
import os
import sys
import tempfile
from functools import cache
from types import ModuleType

SKIPSETS_OF = "3.15."  # the beginning of Keras's version that `remember_skipsets` is written for


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
            module = importlib.import_module("keras")
        except BaseException:
            messages.seek(0)
            os.write(terminal, messages.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
    return module


@cache
def be_deterministic() -> None:
    """Make TensorFlow's operations deterministic, for the rest of the process."""
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()


def new_session() -> None:
    """Reset Keras's global state before a training, when all libraries have been imported."""
    _freeze_libraries()
    module = keras()
    module.utils.clear_session()
    if module.__version__.startswith(SKIPSETS_OF):
        remember_skipsets()


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
