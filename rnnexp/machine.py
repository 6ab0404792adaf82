"""The machine that this process runs on, told from all others."""

import socket

import psutil


def this_machine() -> tuple[str, float]:
    """Return what only this machine has: its name, and when it was started.

    Two machines may have one name, as containers do.
    """
    return socket.gethostname(), psutil.boot_time()
