"""Memory that JAX frees stays with the process, for the next step.

JAX takes the memory of each step anew. From 32 MB on, glibc would ask the system for it and give it
back every time, and the system clears each page of it.
"""

import ctypes
import os
from contextlib import suppress

# Of glibc's malloc.h: blocks of up to so many bytes come from the heap, and the heap keeps so many.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
BLOCK, HEAP = 2**30, 2**31 - 1
OWN = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed_memory() -> bool:
    """Let glibc keep what this process frees, for the rest of the process.

    The largest memory of the process stays the same. A user's own values in the environment stay,
    and a system without glibc is left as it is.

    Returns:
        Whether the process keeps freed memory.
    """
    if any(name in os.environ for name in OWN):
        return False
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        return bool(mallopt(M_MMAP_THRESHOLD, BLOCK) and mallopt(M_TRIM_THRESHOLD, HEAP))
    return False
