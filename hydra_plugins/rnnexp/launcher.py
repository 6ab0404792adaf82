"""Hydra's launchers ``workers``, ``in_process`` and ``dask``; rnnexp/execution/ does their work."""

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

    from rnnexp.execution.dask_jobs import DaskJobs
    from rnnexp.execution.hydra_job import Common
    from rnnexp.execution.launching import ExecutorJobs


@dataclass
class WorkersConf:
    """Warm worker processes.

    Attributes:
        n_jobs: The number of workers; by default the sweeper's ``n_jobs``, else as many as there is
            room for on the GPUs, or one a core where there are none.
        gpus_per_trial: The number of GPUs that a trial sees, or the share of one; 0 for none.
        executor: The PEP 3148 executor, as ``_target_`` with its arguments.
    """

    _target_: str = "hydra_plugins.rnnexp.launcher.ExecutorLauncher"
    _recursive_: bool = False
    n_jobs: int | None = "${oc.select:hydra.sweeper.n_jobs,null}"  # type: ignore[assignment]
    gpus_per_trial: float = 1
    executor: Any = field(
        default_factory=lambda: {
            "_target_": "rnnexp.execution.executors.WorkerExecutor",
            "max_tasks_per_worker": 100,
            "gpus_per_trial": "${hydra.launcher.gpus_per_trial}",
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


@dataclass
class BackupConf:
    """When the backup of a trial is uploaded, where not all machines see the sweep's folder.

    Attributes:
        seconds: Seconds of training between two uploads, at least.
        megabytes: The largest backup that is uploaded while the trial runs; when the trial pauses
            or is interrupted, it is uploaded whatever its size.
    """

    seconds: float = 60
    megabytes: float = 100


@dataclass
class DaskConf:
    """Workers of a Dask cluster, each trial in a process of its own.

    Attributes:
        address: The scheduler's address, such as ``tcp://HOST:8786``.
        local_workers: Or the number of workers of a cluster that is started on this machine.
        resources: What a trial needs of the resources of a worker, such as ``{GPU: 1}``.
        send_data: Whether files of the config go along to machines that can't see them.
        backup: When trials upload their backups, where not all machines see the sweep's folder.
        n_jobs: The most jobs that run at once; by default the sweeper's ``n_jobs``, else as many as
            the workers have threads, and resources, for.
    """

    _target_: str = "hydra_plugins.rnnexp.launcher.DaskLauncher"
    _recursive_: bool = False
    address: str | None = None
    local_workers: int | None = None
    resources: dict[str, float] = field(default_factory=dict)
    send_data: bool = False
    backup: BackupConf = field(default_factory=BackupConf)
    n_jobs: int | None = "${oc.select:hydra.sweeper.n_jobs,null}"  # type: ignore[assignment]


NODES = {"workers": WorkersConf, "in_process": InProcessConf, "dask": DaskConf}
for name, node in NODES.items():
    ConfigStore.instance().store(group="hydra/launcher", name=name, node=node, provider="rnnexp")


class ExecutorLauncher(Launcher):
    """Runs jobs on an executor: one at once with ``submit``, or all with Hydra's ``launch``."""

    def __init__(
        self, n_jobs: int | None, executor: DictConfig, gpus_per_trial: float | None = None
    ) -> None:
        self.n_jobs = n_jobs
        self.executor = executor
        self.gpus_per_trial = gpus_per_trial

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
    def jobs(self) -> "ExecutorJobs | DaskJobs":
        """The jobs behind ``submit``, whose workers start with the first job; a context manager."""
        return self._open()

    def _open(self) -> "ExecutorJobs | DaskJobs":
        from rnnexp.execution.launching import ExecutorJobs

        return ExecutorJobs(self.executor, self.n_jobs, self._common(), self.gpus_per_trial)

    def _common(self) -> "Common":
        # Imported here: Hydra imports every plugin at every start, `--help` included.
        from rnnexp.execution.hydra_job import Common

        if not self.hydra_context or not self.config or self.task_function is None:
            raise RuntimeError("Hydra calls setup before launch")
        return Common(self.hydra_context, self.config, self.task_function)


class DaskLauncher(ExecutorLauncher):
    """Runs jobs on a Dask cluster."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def _open(self) -> "DaskJobs":
        from rnnexp.errors import ConfigError
        from rnnexp.library_defaults import set_library_defaults

        try:
            from rnnexp.execution.dask_jobs import DaskJobs
            from rnnexp.execution.dask_settings import DaskSettings
        except ModuleNotFoundError as error:
            if not str(error.name).startswith(("dask", "distributed")):
                raise
            message = "hydra/launcher=dask: Dask is not installed; pip install 'rnnexp[dask]'"
            raise ConfigError([message]) from None
        set_library_defaults()  # again: Dask sets the levels of its loggers when it is imported
        return DaskJobs(DaskSettings(**self.settings), self._common())
