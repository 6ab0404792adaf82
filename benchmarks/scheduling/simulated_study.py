"""A study of the project's own engine on recorded curves: in memory, on a simulated clock."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from curves import Task
from optuna.samplers import RandomSampler, TPESampler
from rules import Rule
from simulated_jobs import OBJECTIVE, Moment, SimulatedJobs

from rnnexp.objectives import Objectives
from rnnexp.search.sampling import DistinctSampler
from rnnexp.search.space import Space, parse
from rnnexp.storage.in_memory_tracker import MemoryTracker
from rnnexp.storage.study_lock import FolderLock
from rnnexp.sweep.budget import Budget
from rnnexp.sweep.heartbeat import Heartbeat
from rnnexp.sweep.loop import Loop
from rnnexp.sweep.paused_trials import PausedTrials
from rnnexp.sweep.scheduler import Scheduler
from rnnexp.sweep.trial_ledger import TrialLedger

LOG_RATIO = 100.0  # of the largest to the smallest setting, from which on it is searched by its log


@dataclass(frozen=True)
class Search:
    """What is searched, and with what.

    Attributes:
        task: The recorded curves.
        order: The numbers of the curves in the order in which the trials replay them; None for
            settings that TPE draws.
        seed: The sampler's seed.
        trials: The number of trials.
        workers: The number of workers.
        thaw: The seconds that it takes to let a paused trial go on.
        epoch: The seconds that an epoch takes.
        sees_pauses: Whether the sampler sees paused trials as pruned, as in a sweep; else they are
            running ones to it.
    """

    task: Task
    order: Sequence[int] | None
    seed: int = 0
    trials: int = 40
    workers: int = 1
    thaw: float = 0.3
    epoch: float = 1.0
    sees_pauses: bool = True


@dataclass(frozen=True)
class Outcome:
    """What a study has reached.

    Attributes:
        moments: After each epoch, in order.
        thaws: How often a paused trial went on.
        drawn: The numbers of the curves that were replayed, by trial.
    """

    moments: list[Moment]
    thaws: int
    drawn: list[int]


def run(search: Search, rule: Rule) -> Outcome:
    """Run a study until it ends by itself."""
    space = _space(search)
    sampler = TPESampler(seed=search.seed) if search.order is None else RandomSampler(search.seed)
    study = optuna.create_study(
        study_name=f"{search.task.name}-{search.seed}",  # by which Hyperband assigns its brackets
        sampler=DistinctSampler(sampler, space) if search.sees_pauses else sampler,
        pruner=rule.make_pruner(search.task.epochs),
    )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        heartbeat = stack.enter_context(Heartbeat(study))
        pausing = rule.make_pausing(search.task.epochs)
        runs, storage = MemoryTracker(), study._storage
        paused = PausedTrials(
            study,
            storage,
            runs,
            folder,
            Scheduler(OBJECTIVE, pausing),
            FolderLock(folder),
            rule.keep,
        )
        ledger = TrialLedger(
            study, storage, space, runs, "parent", heartbeat.sweep_id, folder, paused
        )
        number_of = _number_of(search, study)
        jobs = SimulatedJobs(
            ledger,
            lambda trial: search.task.curves[number_of(trial)],
            pausing,
            search.workers,
            search.thaw,
            search.epoch,
        )
        Loop(
            jobs,
            ledger,
            Budget(Objectives(OBJECTIVE), n_trials=min(search.trials, len(search.task.curves))),
        ).run()
    drawn = [number_of(trial.number) for trial in study.get_trials(deepcopy=False)]
    return Outcome(jobs.moments, jobs.thaws, drawn)


def _space(search: Search) -> Space:
    settings = search.task.settings
    if search.order is not None or settings is None:
        space, problems = parse(["draw=interval(0,1)"])
    else:
        ranges = zip(settings.min(0), settings.max(0), strict=True)
        space, problems = parse(
            [
                f"s{n}={'tag(log,' if _is_log(low, high) else ''}interval({low:.9g},{high:.9g})"
                f"{')' if _is_log(low, high) else ''}"
                for n, (low, high) in enumerate(ranges)
            ]
        )
    if problems:
        raise ValueError("; ".join(map(str, problems)))
    return space


def _is_log(low: float, high: float) -> bool:
    return low > 0 and high / low >= LOG_RATIO


def _number_of(search: Search, study: optuna.Study) -> Callable[[int], int]:
    """Return which curve a trial replays."""
    order, settings = search.order, search.task.settings
    if order is not None or settings is None:
        return lambda trial: order[trial] if order else trial
    nearest = _Nearest(settings)
    chosen: dict[int, int] = {}

    def number(trial: int) -> int:
        if trial not in chosen:
            chosen[trial] = nearest.unused(study.get_trials(deepcopy=False)[trial].params)
        return chosen[trial]

    return number


class _Nearest:
    """The recorded settings, each of which is used once.

    Args:
        settings: The recorded settings as ``(trials, settings)``.
    """

    def __init__(self, settings: npt.NDArray[np.float64]) -> None:
        low, high = settings.min(0), settings.max(0)
        self._logs = np.array([_is_log(*ends) for ends in zip(low, high, strict=True)])
        self._low = self._scaled(low)
        self._range = np.where(high > low, self._scaled(high) - self._low, 1.0)
        self._settings = (self._scaled(settings) - self._low) / self._range
        self._is_used = np.zeros(len(settings), bool)

    def _scaled(self, settings: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        scaled = settings.copy()
        scaled[..., self._logs] = np.log(settings[..., self._logs])
        return scaled

    def unused(self, params: dict[str, Any]) -> int:
        """Return the number of the recorded trial that is nearest to params, and use it up."""
        drawn = np.array([params[f"s{n}"] for n in range(len(self._low))])
        apart = (((self._scaled(drawn) - self._low) / self._range - self._settings) ** 2).sum(1)
        number = int(np.where(self._is_used, np.inf, apart).argmin())
        self._is_used[number] = True
        return number
