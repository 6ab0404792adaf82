"""The functions that an application hands over to a sweep, such as check and evaluate.

``hydra.sweeper`` names them by their import paths. They run where jobs run, so that the sweep's own
process imports none of Keras. This project's are `rnnexp.training.checks.check`,
`rnnexp.training.trial.evaluate` and `rnnexp.serving.publish.publish`.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import dataclass, field
from inspect import signature
from logging.handlers import QueueHandler
from queue import SimpleQueue
from typing import Any, Protocol

from hydra.utils import get_method
from omegaconf import DictConfig

from rnnexp.data.run_datasets import RunDataset, datasets_in
from rnnexp.errors import one_line
from rnnexp.execution.launching import Jobs
from rnnexp.identity import Digests, Identity, measured

log = logging.getLogger(__name__)

QUIET = 2.0  # seconds of a check before a log line says that it goes on


class Check(Protocol):
    """Finds what is wrong with configs before trial 0."""

    def __call__(self, configs: Sequence[DictConfig], /) -> list[str]:
        """Return one message per problem: what was given, why it can't work, what would work.

        What the function logs is in the sweep's log, if there is no problem.

        Args:
            configs: Composed configs of trials, at the ends of the searched ranges.
        """


class Evaluate(Protocol):
    """Evaluates the best trial on the test part, at the end of a study."""

    def __call__(self, config: DictConfig, run_id: str, /) -> dict[str, float]:
        """Return metrics by name.

        Args:
            config: The config of the best trial.
            run_id: The trial's run in MLflow, which has the checkpoint.
        """


class Publish(Protocol):
    """Makes the best model ready to use, at the end of a study."""

    def __call__(
        self, config: DictConfig, run_id: str, study_run: str, name: str | None, /
    ) -> list[tuple[str, str]]:
        """Return lines for the summary, each with a command.

        Args:
            config: The config of the best trial.
            run_id: The trial's run in MLflow, which has the checkpoint.
            study_run: The study's run in MLflow.
            name: The name of the registered model; None to register nothing.
        """


class CountParameters(Protocol):
    """Counts the parameters of models, for a dry run."""

    def __call__(self, configs: Sequence[DictConfig], /) -> list[int]:
        """Return the number of parameters of the model of each config.

        Args:
            configs: Composed configs of trials.
        """


# What each function is called with, by its name.
ARGUMENTS = {
    "check": ("configs",),
    "evaluate": ("config", "run_id"),
    "publish": ("config", "run_id", "study_run", "name"),
    "count_parameters": ("configs",),
}


@dataclass(frozen=True)
class Checked:
    """What was found out about configs before trial 0.

    Attributes:
        problems: What is wrong with the configs.
        identity: What the values of trials are measured on and by; None if it is not known.
        digests: The fingerprints of the files, by config key and path.
        datasets: The parts of the data, as of `rnnexp.data.run_datasets`.
    """

    problems: Sequence[str]
    identity: Identity | None = None
    digests: Digests = field(default_factory=Digests)
    datasets: Sequence[RunDataset] = ()


@dataclass(frozen=True)
class Application:
    """The functions that an application hands over; each may be missing.

    Attributes:
        check: Finds what is wrong with configs.
        evaluate: Evaluates the best trial.
        publish: Makes the best model ready to use.
        count_parameters: Counts the parameters of models.
    """

    check: Check | None = None
    evaluate: Evaluate | None = None
    publish: Publish | None = None
    count_parameters: CountParameters | None = None

    def checked(
        self,
        configs: Sequence[DictConfig],
        direction: str | None,
        jobs: Jobs,
        meanwhile: Callable[[], object] | None = None,
    ) -> "Checked":
        """Check configs, then find what their values are measured on and by, where jobs run.

        Args:
            configs: Composed configs of trials, at the ends of the searched ranges.
            direction: The study's direction, for configs without an objective.
            jobs: Runs the check.
            meanwhile: Called in this process while the check runs.

        Returns:
            What was found.
        """
        problems = self.check_problems(configs, jobs, meanwhile)
        if problems or not (self.check and configs):
            return Checked(problems)
        identity, digests, incomparable = jobs.call(measured, configs, direction).result()
        datasets = jobs.call(datasets_in, configs[0]).result()
        return Checked(incomparable, identity, digests, datasets)

    def check_problems(
        self,
        configs: Sequence[DictConfig],
        jobs: Jobs,
        meanwhile: Callable[[], object] | None = None,
    ) -> list[str]:
        """Ask the application's own check, where jobs run.

        Args:
            configs: Composed configs of trials; nothing is asked if there are none.
            jobs: Runs the check.
            meanwhile: Called in this process while the check runs.

        Returns:
            The problems; one if the check raised an error, or its worker died.
        """
        if not (self.check and configs):
            return []
        try:
            return run_check(self.check, configs, jobs, meanwhile)
        except Exception as error:  # whatever the application raises
            log.debug("the check failed", exc_info=True)
            text = f"{type(error).__name__}: {one_line(error)}"
            return [f"hydra.sweeper.check: the check itself failed: {text}"]


def modules_of_jobs(settings: Mapping[str, Any]) -> list[str]:
    """Return the modules that a worker imports before its first job.

    Args:
        settings: ``hydra.sweeper``.
    """
    paths = [str(settings.get(name) or "") for name in ARGUMENTS]
    modules = [path.rpartition(".")[0] for path in paths]
    return list(dict.fromkeys(["rnnexp.execution.trial_task", *filter(None, modules)]))


def load_application(settings: Mapping[str, Any]) -> tuple[Application, list[str]]:
    """Import the functions of an application.

    Args:
        settings: ``hydra.sweeper``, which has the import path of each function; None for none.

    Returns:
        The functions that can be imported, and a message for each that can't.
    """
    functions: dict[str, Any] = {}
    problems: list[str] = []
    for name, arguments in ARGUMENTS.items():
        if not (path := settings[name]):
            continue
        try:
            functions[name] = get_method(path)
            signature(functions[name]).bind(*arguments)
        except Exception as error:  # whatever the application's module raises when imported
            wanted = ", ".join(arguments)
            what = f"a function of ({wanted})" if name in functions else "a function"
            problems.append(
                f"hydra.sweeper.{name}={path}: {one_line(error)}; give the import path of {what}, "
                "or null for none"
            )
    return Application(**functions), problems


def run_check(
    check: Check,
    configs: Sequence[DictConfig],
    jobs: Jobs,
    meanwhile: Callable[[], object] | None = None,
) -> list[str]:
    """Call a check where jobs run; log here what it logged, if it found no problem.

    Args:
        check: The application's check.
        configs: The configs to check.
        jobs: Runs the check.
        meanwhile: Called in this process while the check runs.

    Returns:
        The problems.
    """
    checked, began = jobs.call(call_check, check, configs), time.monotonic()
    if meanwhile:
        meanwhile()
    if not wait([checked], max(0, began + QUIET - time.monotonic())).done:
        log.info("before trial 0, checking %d configs that stand for all trials", len(configs))
    problems, records = checked.result()
    for record in () if problems else records:
        logging.getLogger(record.name).handle(record)
    return problems


def call_check(
    check: Check, configs: Sequence[DictConfig]
) -> tuple[list[str], list[logging.LogRecord]]:
    """Call a check, and gather what it logs, since nobody sees the log of a worker.

    Args:
        check: The application's check.
        configs: The configs to check.

    Returns:
        The problems, and what loggers of the application's package logged from level INFO.
    """
    queue: SimpleQueue[logging.LogRecord] = SimpleQueue()
    handler = QueueHandler(queue)
    logger = logging.getLogger(getattr(check, "__module__", __name__).partition(".")[0])
    level, logger.propagate = logger.level, False
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        problems = check(configs)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = True
    return problems, [queue.get() for _ in range(queue.qsize())]
