"""The checks of the sweeper's settings, each by itself: numbers, storage, launcher, names."""

import time
from concurrent.futures import ThreadPoolExecutor

from rnnexp.errors import one_line
from rnnexp.execution.launching import Jobs
from rnnexp.number_ranges import COUNT, NOT_NEGATIVE, POSITIVE, UNIT, WHOLE
from rnnexp.pausing import Pausing
from rnnexp.storage.connections import advice
from rnnexp.storage.locks import lock_problem
from rnnexp.storage.optuna_store import study_names
from rnnexp.storage.registry import name_problem
from rnnexp.storage.uris import CONNECT_TIMEOUT, is_in_memory, sqlite_file, write_problem
from rnnexp.sweep.on_end import on_end_problems
from rnnexp.sweep.resume import taken_name
from rnnexp.sweep.retention import keep_problems
from rnnexp.sweep.settings import SweepSettings
from rnnexp.sweep.trial_folders import subdir_problems

_RANGES = {
    "n_trials": COUNT,
    "n_jobs": COUNT,
    "patience": COUNT,
    "keep_paused": COUNT,
    "retries": WHOLE,
    "timeout": POSITIVE,  # seconds
    "trial_timeout": POSITIVE,  # seconds
    "core_hours": POSITIVE,
    "min_delta": NOT_NEGATIVE,
    "max_failure_rate": UNIT,
}


def settings_problems(settings: SweepSettings, jobs: Jobs) -> list[str]:
    """Return why a sweep with these settings can't work.

    Args:
        settings: The sweeper's settings.
        jobs: The launcher's jobs.
    """
    return [
        *_numbers(settings),
        *Pausing.problems(settings.pausing),
        *_epochs(settings),
        *keep_problems(settings.keep),
        *_jobs(settings, jobs),
        *_registered_model(settings),
        *on_end_problems(settings.on_end),
    ]


def _numbers(settings: SweepSettings) -> list[str]:
    problems = [
        problem
        for name, allowed in _RANGES.items()
        if (value := getattr(settings, name)) is not None
        for problem in allowed.problems(f"hydra.sweeper.{name}", value)
    ]
    if settings.n_trials is None and settings.timeout is None and settings.patience is None:
        problems.append("hydra.sweeper.n_trials=null: needs a timeout or a patience, to end at all")
    return problems


def _epochs(settings: SweepSettings) -> list[str]:
    key, epochs = "hydra.sweeper.epochs", settings.epochs
    if epochs is None:
        return []
    if POSITIVE.problems(key, epochs) or (epochs >= 1 and not float(epochs).is_integer()):
        return [
            f"{key}={epochs}: must be a number of epochs, a share below 1 of those that the study "
            "would take without pruning, or null for no limit"
        ]
    if epochs < 1 and settings.n_trials is None:
        return [f"{key}={epochs}: a share needs hydra.sweeper.n_trials; or give a number of epochs"]
    return []


def store_problems(settings: SweepSettings) -> tuple[list[str], list[str], bool]:
    """Return why the study and why the runs can't be stored, and whether a server was silent."""
    began = time.monotonic()
    with ThreadPoolExecutor(1) as thread:  # a server that does not answer takes its whole timeout
        runs = thread.submit(settings.tracker().problems)
        unstored = _storage_problems(settings)
        untracked = runs.result()
    is_late = time.monotonic() - began > CONNECT_TIMEOUT / 2
    return unstored, untracked, is_late and bool(unstored or untracked)


def _storage_problems(settings: SweepSettings) -> list[str]:
    """Return why a study can't be stored, or resumed from, where the settings say.

    Args:
        settings: The sweeper's settings.
    """
    url = settings.storage
    if (file := sqlite_file(url)) and file == sqlite_file(settings.tracker().uri):
        return [f"hydra.sweeper.storage and tracking.uri are one file, {file}: give each its own"]
    if unlocked := _unlocked(settings):
        return unlocked
    if is_in_memory(url):
        return [
            f"hydra.sweeper.storage={settings.given_storage}: each process would have a study of "
            "its own; give a file, such as sqlite:///optuna.db"
        ]
    if problem := write_problem(url):
        return [f"hydra.sweeper.storage: {problem}{advice(problem)}"]
    try:
        is_taken = settings.study_name in study_names(url)
    except Exception as error:  # whatever the database's driver raises
        return [f"hydra.sweeper.storage: {url} can't be opened: {one_line(error)}"]
    return [taken_name(settings)] if is_taken and settings.resume is None else []


def _unlocked(settings: SweepSettings) -> list[str]:
    """Return what keeps the files and folders of a sweep from being locked."""
    files = [
        file for uri in (settings.storage, settings.tracker().uri) if (file := sqlite_file(uri))
    ]
    folders = dict.fromkeys([*(file.parent for file in files), settings.sweep_dir])
    found = (lock_problem(folder) for folder in folders)
    return list(dict.fromkeys(problem for problem in found if problem))


def _jobs(settings: SweepSettings, jobs: Jobs) -> list[str]:
    problems = subdir_problems(settings.subdir)
    if settings.trial_timeout is None or jobs.can_kill:
        return problems
    return [
        *problems,
        f"hydra.sweeper.trial_timeout={settings.trial_timeout}: this launcher can't end a trial "
        "that hangs, which takes a process for each; give hydra/launcher=workers, or null",
    ]


def _registered_model(settings: SweepSettings) -> list[str]:
    name = settings.registered_model_name
    if not settings.publish or name is None or not (problem := name_problem(name)):
        return []
    return [
        f"hydra.sweeper.registered_model_name={name}: {problem}; give another name, or null to "
        "register nothing. By default the name is the study's"
    ]
