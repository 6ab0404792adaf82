"""Whether the workers of a Dask cluster would let trials share a GPU that nobody asked to share."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from distributed import Client, Worker

from rnnexp import gpus
from rnnexp.execution.dask_settings import GPU
from rnnexp.machine import this_machine

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Claim:
    """What a worker has of the GPUs of its machine.

    Attributes:
        machine: The machine; see `rnnexp.machine.this_machine`.
        number: The number of GPUs of Dask's resource, from the machine's first one on.
    """

    machine: tuple[str, float]
    number: float


def gpu_problems(client: Client, resources: Mapping[str, float]) -> list[str]:
    """Return which workers of Dask have the same GPU; empty if none has, or no trial needs one.

    Args:
        client: A client of the cluster.
        resources: What a trial needs of the resources of a worker.
    """
    if GPU not in resources:
        return []
    found: Mapping[str, Claim | None] = client.run(claim_here)
    return overlaps({worker: claim for worker, claim in found.items() if claim})


def claim_here(dask_worker: Worker, driver: Path = gpus.DRIVER) -> Claim | None:
    """Return the claim of this worker; None if it has no GPU, or was told which ones it has.

    Args:
        dask_worker: The worker.
        driver: The folder in which NVIDIA's driver lists its GPUs.
    """
    number = float(dask_worker.state.total_resources.get(GPU, 0))
    was_told = gpus.VISIBLE in os.environ
    if not number or was_told or not gpus.visible_gpus(driver):
        return None
    return Claim(this_machine(), number)


def overlaps(claims: Mapping[str, Claim]) -> list[str]:
    """Return a message for each machine whose workers have a GPU twice.

    A worker that was not told its GPUs takes the first ones of its machine. So two such workers
    have the same one, unless their shares fit on it.

    Args:
        claims: What workers have, by their address.
    """
    machines: dict[tuple[str, float], dict[str, float]] = defaultdict(dict)
    for worker, claim in claims.items():
        machines[claim.machine][worker] = claim.number
    return [
        _message(host, sorted(numbers))
        for (host, _), numbers in machines.items()
        if sum(min(number, 1.0) for number in numbers.values()) > 1 + _ROUNDING
    ]


def _message(host: str, workers: Sequence[str]) -> str:
    return (
        f"Dask's workers {', '.join(workers)} on {host} would all begin with its first GPU: start "
        "one worker there, with the number of the machine's GPUs in --resources, or give each of "
        f"them a {gpus.VISIBLE} of its own"
    )
