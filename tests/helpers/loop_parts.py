"""The parts of a sweep's loop without Hydra and MLflow: jobs that are functions, runs in memory."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import optuna
from hydra.core.utils import JobReturn, JobStatus
from optuna.samplers import RandomSampler

from rnnexp.execution.executors import InProcessExecutor
from rnnexp.pausing import Pausing
from rnnexp.search.sampling import DistinctSampler
from rnnexp.search.space import parse
from rnnexp.storage.in_memory_tracker import MemoryTracker
from rnnexp.storage.optuna_store import objective_of
from rnnexp.storage.study_lock import FolderLock
from rnnexp.sweep.heartbeat import Heartbeat
from rnnexp.sweep.paused_trials import PausedTrials
from rnnexp.sweep.scheduler import Scheduler
from rnnexp.sweep.trial_ledger import TrialLedger

GRID = ("x=choice(1,2,3)",)


@dataclass
class FunctionJobs:
    """Jobs that call a function with the job's number, on the in-process executor."""

    function: Callable[[int], object]
    n_jobs: int = 1
    submitted: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    interrupted: list[bool] = field(default_factory=list)
    can_kill: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Do nothing."""

    def submit(self, overrides: Sequence[str], number: int) -> Future[JobReturn]:
        self.submitted.append((number, tuple(overrides)))
        return InProcessExecutor().submit(self._run, number)

    def _run(self, number: int) -> JobReturn:
        returned = JobReturn(overrides=[], status=JobStatus.COMPLETED)
        returned.return_value = self.function(number)
        return returned

    def call(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        return InProcessExecutor().submit(function, *args)

    def flush(self) -> None:
        """Do nothing."""

    def interrupt(self, *, at_once: bool) -> None:
        self.interrupted.append(at_once)

    def kill(self, future: Future[Any]) -> None:
        """Do nothing."""


@contextmanager
def ledger_in(
    folder: Path,
    study: optuna.Study | None = None,
    arguments: Sequence[str] = GRID,
    retries: int = 1,
    pausing: Pausing | None = None,
    keep_paused: int = 50,
) -> Iterator[TrialLedger]:
    """Give a ledger of a study in memory, whose sweep is alive while the block runs."""
    space, problems = parse(arguments)
    assert not problems
    sampler = DistinctSampler(RandomSampler(seed=0), space)
    study = study or optuna.create_study(sampler=sampler)
    with Heartbeat(study) as heartbeat:
        storage, runs = study._storage, MemoryTracker()
        scheduler = Scheduler(objective_of(study), pausing)
        yield TrialLedger(
            study=study,
            storage=storage,
            space=space,
            runs=runs,
            study_run="parent",
            sweep_id=heartbeat.sweep_id,
            folder=folder,
            paused=PausedTrials(
                study, storage, runs, folder, scheduler, FolderLock(folder), keep_paused
            ),
            retries=retries,
        )
