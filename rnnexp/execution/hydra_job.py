"""One Hydra job of a sweep: compose its config, run it in this process or another."""

import multiprocessing
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, configure_log, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, SCMode, open_dict
from omegaconf.errors import OmegaConfBaseException

from rnnexp.errors import RnnexpError
from rnnexp.execution.composer import Composer
from rnnexp.passwords import remember, remembered
from rnnexp.storage.schema import Files

T = TypeVar("T")


@dataclass(frozen=True)
class Common:
    """What all jobs of a sweep have in common.

    Attributes:
        context: Hydra's context, which composes a job's config.
        config: The composed config of the sweep.
        task_function: The function that a job runs.
    """

    context: HydraContext
    config: DictConfig
    task_function: TaskFunction

    @cached_property
    def composer(self) -> Composer:
        """The composer of the jobs' configs."""
        return Composer(self.context.config_loader, self.config)

    def pack(self) -> bytes:
        """Pickle for another process, by value, since Hydra's decorator hides the task function."""
        packed: bytes = cloudpickle.dumps(
            (
                remembered(),
                cloudpickle.dumps(Singleton.get_state()),
                cloudpickle.dumps(replace(self)),  # without the composer
                self.composer.known(),
            )
        )
        return packed


@lru_cache(maxsize=1)
def _unpack(packed: bytes) -> Common:
    urls, state, common, known = pickle.loads(packed)  # noqa: S301
    remember(urls)
    # First, since Hydra imports its plugins anew: earlier configs would have outdated classes.
    Singleton.set_state(pickle.loads(state))  # noqa: S301
    loaded: Common = pickle.loads(common)  # noqa: S301
    loaded.composer.learn(known)
    return loaded


def run_packed(
    packed: bytes, overrides: Sequence[str], number: int, sweep_dir: Path | None = None
) -> JobReturn:
    """Run one Hydra job in another process; see `run` and `Common.pack`.

    Args:
        packed: What the job has in common with the other jobs.
        overrides: The job's overrides.
        number: The job's number.
        sweep_dir: A folder in the place of ``hydra.sweep.dir``, which this machine can't see.
    """
    setup_globals()
    common = _unpack(packed)
    config = _compose(common, overrides, number)
    if sweep_dir:
        with open_dict(config):
            config.hydra.sweep.dir = str(sweep_dir)
    with _output_to(Path(config.hydra.sweep.dir, config.hydra.sweep.subdir)):
        return _picklable(_run(common, config))


def run(common: Common, overrides: Sequence[str], number: int) -> JobReturn:
    """Run one Hydra job, with its own folder, log and config, as Hydra's launchers do.

    Args:
        common: What the job has in common with the other jobs.
        overrides: The job's overrides.
        number: The job's number, which names its folder.
    """
    setup_globals()
    returned = _run(common, _compose(common, overrides, number))
    hydra = common.config.hydra
    configure_log(hydra.hydra_logging, hydra.verbose)
    return returned


def _compose(common: Common, overrides: Sequence[str], number: int) -> DictConfig:
    config = common.composer.compose(overrides)
    with open_dict(config):
        config.hydra.job.id = f"{config.hydra.job.name}_{number}"
        config.hydra.job.num = number
    return config


def subdir_of(config: DictConfig, number: int) -> str | None:
    """Return the folder of a job, below the sweep's.

    Args:
        config: The composed config of a job, which is left as it is.
        number: The job's number.

    Returns:
        The folder; None if it is made of what only the job knows.
    """
    own = deepcopy(config)
    with open_dict(own):
        own.hydra.job.num = number
    try:
        return str(own.hydra.sweep.subdir)
    except OmegaConfBaseException:
        return None


def _run(common: Common, config: DictConfig) -> JobReturn:
    return run_job(
        hydra_context=common.context,
        task_function=common.task_function,
        config=config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )


def call(urls: Sequence[str], function: Callable[..., T], *args: Any) -> T:
    """Call a function with configs, which may need Hydra's resolvers and the stores' passwords."""
    setup_globals()
    remember(urls)
    return function(*args)


def _picklable(returned: JobReturn) -> JobReturn:
    """Leave out what can't be pickled: the classes of a config, then the return value itself."""
    if _pickling_problem(returned):
        # A dataclass of the application's script is another class in the sweep's process.
        plain = OmegaConf.to_container(returned.cfg, structured_config_mode=SCMode.DICT)
        returned.cfg = DictConfig(plain)
    if problem := _pickling_problem(returned):
        lost = returned._return_value
        returned.return_value = RnnexpError(f"{type(lost).__name__}: {lost} (not sent: {problem})")
        returned.status = JobStatus.FAILED
    return returned


def _pickling_problem(value: object) -> Exception | None:
    try:
        pickle.loads(pickle.dumps(value))  # noqa: S301
    except Exception as error:
        return error
    return None


@contextmanager
def _output_to(folder: Path) -> Iterator[None]:
    """In a worker, send the output of a job and its libraries to a file in the job's folder."""
    if multiprocessing.parent_process() is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    terminal = os.dup(1), os.dup(2)
    with (folder / Files.OUTPUT).open("ab", buffering=0) as output:
        _connect(output.fileno(), output.fileno())
    try:
        yield
    finally:
        _connect(*terminal)
        for descriptor in terminal:
            os.close(descriptor)


def _connect(out: int, err: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(out, 1)
    os.dup2(err, 2)
