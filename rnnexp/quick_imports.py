"""Imports of large libraries without garbage collection."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import large libraries in the block, whose objects garbage collection never visits.

    Importing TensorFlow, JAX or MLflow makes hundreds of thousands of objects that live as long as
    the process. While they are made, Python would look through them again and again: a quarter of
    the time of the imports.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
