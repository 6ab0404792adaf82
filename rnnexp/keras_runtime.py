"""Keras as trials need it: imported without start-up messages, and reset before each training."""

import gc
import importlib
import os
import sys
import tempfile
from functools import cache
from types import ModuleType


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
    keras().utils.clear_session()


@cache
def _freeze_libraries() -> None:
    """Exempt the libraries' objects from the garbage collection of `clear_session`.

    The objects live as long as the process; visiting hundreds of thousands took 0.2 s a trial.
    """
    gc.collect()
    gc.freeze()
