"""Keras as trials need it: imported without greetings, and as new before each training."""

import gc
import importlib
import os
import sys
import tempfile
from contextlib import suppress
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


def new_session() -> None:
    """Called before a training, when all libraries have been imported: forget the last one."""
    _settle()
    keras().utils.clear_session()
    with suppress(ImportError):  # of a later Keras; saving is then as fast as it is
        _remember_skipped()


@cache
def _settle() -> None:
    """Keep the libraries' objects out of the collection of garbage in `clear_session`.

    They never become any; looking through hundreds of thousands took 0.2 s a trial.
    """
    gc.collect()
    gc.freeze()


def _remember_skipped() -> None:
    """Let Keras find the names of the attributes that it leaves out when it saves a model.

    Keras 3.15 stores them as ``saving_attr_skipset_KIND`` and looks for them as
    ``saving_attr_skiplist_KIND`` (``get_attr_skipset`` in keras/src/saving/saving_lib.py), so that
    for every part of a model it makes a layer, or an optimizer, to look at: a third of the time of
    a checkpoint.
    """
    from keras.src.backend.common.global_state import set_global_attribute

    for kind, names in _skipped().items():
        set_global_attribute(f"saving_attr_skiplist_{kind}", names)


@cache
def _skipped() -> dict[str, set[str]]:
    from keras.src.saving.saving_lib import get_attr_skipset

    kinds = ("Functional", "Layer", "Loss", "Metric", "Operation", "Optimizer", "Sequential")
    return {kind: get_attr_skipset(kind) for kind in kinds}
