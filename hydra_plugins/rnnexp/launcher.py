"""``hydra/launcher=workers`` and ``in_process``: plugins; their work is in rnnexp/execution/."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from concurrent.futures import Future

    from rnnexp.execution.launching import ExecutorJobs


@dataclass
class WorkersConf:
    """Warm worker processes.

    Attributes:
        n_jobs: The number of workers; by default the sweeper's ``n_jobs``, else one a core.
        executor: The PEP 3148 executor, as ``_target_`` with its arguments.
    """

    _target_: str = "hydra_plugins.rnnexp.launcher.ExecutorLauncher"
    _recursive_: bool = False
    n_jobs: int | None = "${oc.select:hydra.sweeper.n_jobs,null}"  # type: ignore[assignment]
    executor: Any = field(
        default_factory=lambda: {
            "_target_": "rnnexp.execution.executors.WorkerExecutor",
            "max_tasks_per_worker": 100,
        }
    )


@dataclass
class InProcessConf:
    """One job after the other, in the sweep's own process: for tests and debugging."""

    _target_: str = "hydra_plugins.rnnexp.launcher.ExecutorLauncher"
    _recursive_: bool = False
    n_jobs: int | None = 1
    executor: Any = field(
        default_factory=lambda: {"_target_": "rnnexp.execution.executors.InProcessExecutor"}
    )


for name, node in (("workers", WorkersConf), ("in_process", InProcessConf)):
    ConfigStore.instance().store(group="hydra/launcher", name=name, node=node, provider="rnnexp")


class ExecutorLauncher(Launcher):
    """Runs jobs on an executor: one at once with ``submit``, or all with Hydra's ``launch``."""

    def __init__(self, n_jobs: int | None, executor: DictConfig) -> None:
        self.n_jobs = n_jobs
        self.executor = executor

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        with self._open() as jobs:
            numbered = enumerate(job_overrides, start=initial_job_idx)
            futures = [jobs.submit(overrides, number) for number, overrides in numbered]
            return [future.result() for future in futures]

    def submit(self, overrides: Sequence[str], number: int) -> "Future[JobReturn]":
        """Run one job as soon as a worker is free; the workers live until `jobs` is closed."""
        return self.jobs.submit(overrides, number)

    @cached_property
    def jobs(self) -> "ExecutorJobs":
        """The jobs behind ``submit``, whose workers start with the first job; a context manager."""
        return self._open()

    def _open(self) -> "ExecutorJobs":
        # Imported here: Hydra imports every plugin at every start, `--help` included.
        from rnnexp.execution.hydra_job import Common
        from rnnexp.execution.launching import ExecutorJobs

        if not self.hydra_context or not self.config or self.task_function is None:
            raise RuntimeError("Hydra calls setup before launch")
        common = Common(self.hydra_context, self.config, self.task_function)
        return ExecutorJobs(self.executor, self.n_jobs, common)
