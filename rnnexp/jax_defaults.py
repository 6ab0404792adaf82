"""Defaults of JAX for training: compiled code and freed memory are kept, operations deterministic.

JAX reads the environment variables when it is imported, and ``XLA_FLAGS`` when it makes its first
array. A user's own values stay.
"""

import hashlib
import os
import platform
from contextlib import suppress
from pathlib import Path

from rnnexp.cache_folder import cache_folder
from rnnexp.freed_memory import keep_freed_memory

DETERMINISTIC = "--xla_gpu_deterministic_ops=true"


def set_jax_defaults(*, deterministic: bool) -> None:
    """Set the environment variables that JAX reads, and keep the memory that it frees.

    Args:
        deterministic: Whether operations on a GPU give equal numbers each time, as those on a CPU
            do anyway.
    """
    values = {
        "JAX_COMPILATION_CACHE_DIR": str(compiled_code()),
        # By default, code is kept that took longer to compile than any part of a small RNN takes.
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    for name, value in values.items():
        os.environ.setdefault(name, value)
    flags = os.environ.get("XLA_FLAGS", "")
    if deterministic and "--xla_gpu_deterministic_ops" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {DETERMINISTIC}".strip()
    keep_freed_memory()


def compiled_code() -> Path:
    """Return the folder of compiled code, which is this processor's own.

    JAX looks code up by what was compiled and by whom, not by the instructions of the processor
    that it was compiled for, and a home folder may be shared by machines.
    """
    digest = hashlib.sha256(_processor().encode()).hexdigest()[:8]
    return cache_folder() / "jax" / digest


def _processor() -> str:
    """Return the kind of this machine's processor; on Linux, its instruction sets."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return "".join(sorted({x for x in lines if x.startswith(("flags", "Features"))}))
    return platform.processor() or platform.machine()
