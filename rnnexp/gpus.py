"""The GPUs of this machine, and which of them a trial sees.

Nothing here imports TensorFlow or JAX: a process has to choose its GPUs before it imports them.
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path

from rnnexp.number_ranges import SHARE, is_number

VISIBLE = "CUDA_VISIBLE_DEVICES"
CPU = "CPU"
DRIVER = Path("/proc/driver/nvidia/gpus")  # has a folder for each GPU


def visible_gpus(driver: Path = DRIVER) -> list[str]:
    """Return the names of the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` has them.

    Args:
        driver: The folder in which NVIDIA's driver lists its GPUs.
    """
    given = os.environ.get(VISIBLE)
    if given is not None:
        names = [name.strip() for name in given.split(",")]
        # CUDA ignores what follows an invalid entry, by which all GPUs can be hidden.
        end = next((n for n, name in enumerate(names) if name in ("", "-1")), len(names))
        return names[:end]
    return [str(number) for number in range(len(list(driver.glob("*"))))]


def room(per_trial: float | None) -> int | None:
    """Return how many trials can run at once on the GPUs of this machine; None if none needs one.

    Args:
        per_trial: The GPUs of a trial; None or 0 for none.
    """
    number = len(visible_gpus()) if per_trial and not problems("", per_trial) else 0
    return slots_of_gpus(number, per_trial) if number and per_trial else None


def slots_of_gpus(number: int, per_trial: float) -> int:
    """Return how many trials can run at once.

    Args:
        number: The number of GPUs.
        per_trial: The GPUs of a trial: a whole number, or a fraction such as 0.5.
    """
    if per_trial >= 1:
        return int(number // per_trial)
    return number * math.floor(1 / per_trial + 1e-9)


def whole_share(per_trial: float) -> float:
    """Return the share of a GPU that a trial can have, so that equal shares make up whole GPUs.

    Args:
        per_trial: The GPUs of a trial: a whole number, or a fraction such as 0.4, which becomes
            0.5, since two trials fit on a GPU.
    """
    return per_trial if per_trial >= 1 else 1 / slots_of_gpus(1, per_trial)


def gpus_of_slot(slot: int, per_trial: float, gpus: Sequence[str]) -> list[str]:
    """Return the GPUs that a trial sees: its own ones, or the one that it shares.

    Args:
        slot: The number of the slot in which the trial runs, from 0.
        per_trial: The GPUs of a trial: a whole number, or a fraction such as 0.5.
        gpus: The GPUs that all slots share.
    """
    if per_trial >= 1:
        first = slot * int(per_trial)
        return list(gpus[first : first + int(per_trial)])
    first = slot // math.floor(1 / per_trial + 1e-9)
    return list(gpus[first : first + 1])


def environment(gpus: Sequence[str]) -> dict[str, str]:
    """Return the environment variables of a process that sees these GPUs alone."""
    if gpus:
        return {VISIBLE: ",".join(gpus)}
    return {VISIBLE: "-1", "JAX_PLATFORMS": "cpu"}  # or JAX prints a traceback that it finds none


def device() -> str:
    """Return what this process computes on: CPU, or the GPUs that it sees."""
    seen = visible_gpus()
    return f"GPU {','.join(seen)}" if seen else CPU


def problems(key: str, per_trial: float) -> list[str]:
    """Return what is wrong with a number of GPUs a trial.

    Args:
        key: The config key.
        per_trial: The number.
    """
    is_whole = is_number(per_trial) and per_trial >= 1 and per_trial == int(per_trial)
    if is_whole or per_trial in SHARE:
        return []
    return [f"{key}={per_trial}: must be a whole number of GPUs, or a share of one such as 0.5"]
