"""The settings of ``hydra/launcher=dask``, and what they make of the cluster's workers."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rnnexp import gpus
from rnnexp.number_ranges import NOT_NEGATIVE

GPU = "GPU"  # the resource of Dask that is a GPU
Workers = Mapping[str, Mapping[str, Any]]  # what Dask's scheduler knows of each, by address


@dataclass(frozen=True)
class DaskSettings:
    """The settings of ``hydra/launcher=dask``; see `hydra_plugins.rnnexp.launcher.DaskConf`."""

    address: str | None = None
    local_workers: int | None = None
    resources: Mapping[str, float] = field(default_factory=dict)
    send_data: bool = False
    backup: Mapping[str, float] = field(default_factory=dict)
    n_jobs: int | None = None

    def problems(self) -> list[str]:
        """Return what is wrong with the settings; empty if nothing is wrong."""
        key = "hydra.launcher"
        if (self.address is None) == (self.local_workers is None):
            return [
                f"{key}.address={self.address} and {key}.local_workers={self.local_workers}: give "
                "the address of a scheduler, such as tcp://HOST:8786, or a number of workers to "
                "start here"
            ]
        if self.local_workers is not None and self.local_workers < 1:
            return [f"{key}.local_workers={self.local_workers}: must be at least 1"]
        problems = []
        for name, value in self.backup.items():
            problems += NOT_NEGATIVE.problems(f"{key}.backup.{name}", value)
        if (per_trial := self.resources.get(GPU)) is not None:
            problems += gpus.problems(f"{key}.resources.{GPU}", per_trial)
        return problems

    @property
    def needs(self) -> dict[str, float]:
        """What a trial takes of the resources of a worker.

        Dask adds up shares of all GPUs of a worker, but a trial can't be on two of them.
        """
        found = dict(self.resources)
        if GPU in found:
            found[GPU] = gpus.whole_share(found[GPU])
        return found

    def n_slots(self, worker: Mapping[str, Any]) -> int:
        """Return how many trials a worker runs at once."""
        fitting = [int(worker["nthreads"])]
        for name, amount in self.needs.items():
            fitting.append(int(worker["resources"].get(name, 0) / amount + 1e-9))
        return min(fitting)

    def neighbors(self, workers: Workers) -> int:
        """Return the largest number of slots that share a machine."""
        hosts = Counter[str]()
        for worker in workers.values():
            hosts[worker["host"]] += self.n_slots(worker)
        return max([1, *hosts.values()])

    def worker_problems(self, workers: Workers, address: str) -> list[str]:
        """Return why no worker can run a trial; empty if one can."""
        if not workers:
            return [f"{address}: the scheduler has no worker; start some with `dask worker`"]
        if any(map(self.n_slots, workers.values())):
            return []
        has = sorted({str(worker["resources"] or "none") for worker in workers.values()})
        return [
            f"hydra.launcher.resources={dict(self.resources)}: no worker has them, "
            f"the workers have {'; '.join(has)}; start workers with `dask worker --resources`"
        ]
