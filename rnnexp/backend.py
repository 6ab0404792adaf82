"""Importing Keras without TensorFlow's greetings."""

import gc
import importlib
import os
import sys
import tempfile
from functools import cache
from types import ModuleType


def keras() -> ModuleType:
    """Keras; the first call of a process imports it, which takes seconds.

    While it is imported, TensorFlow's libraries write notes on the processor and on
    missing graphics drivers to file descriptor 2, before any setting of theirs is read.
    These are held back, and shown only if the import fails.
    """
    if "keras" in sys.modules:
        return sys.modules["keras"]
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            module = importlib.import_module("keras")
        except BaseException:
            notes.seek(0)
            os.write(terminal, notes.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
    return module


@cache
def be_deterministic() -> None:
    """From now on TensorFlow's operations give the same on every run; a process keeps to it."""
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()


@cache
def settle() -> None:
    """Called before the first training of a process, when all libraries have been imported.

    `keras.utils.clear_session` collects garbage before every trial. The libraries' hundreds of
    thousands of objects never become any; looking through them each time took 0.2 s a trial.
    """
    gc.collect()
    gc.freeze()
