"""Importing Keras without TensorFlow's greetings."""

import importlib
import os
import sys
import tempfile
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
            return importlib.import_module("keras")
        except BaseException:
            notes.seek(0)
            os.write(terminal, notes.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
