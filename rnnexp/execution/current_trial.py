"""The job's side of a study: which trial am I, and am I still wanted?

A job finds its trial by its own Hydra config, so this works in any process and under any
launcher: the study's name, its storage and its pruner stand under ``hydra.sweeper``, and a
job's number is its trial's number.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from hydra.conf import HydraConf
from hydra.utils import instantiate

from rnnexp.execution import interrupt
from rnnexp.storage.optuna_store import open_storage
from rnnexp.storage.uris import absolute_uri

if TYPE_CHECKING:
    import optuna

    from rnnexp.pruning import Verdict
    from rnnexp.storage.mlflow_run import Run

# User attributes in Optuna: of a study and of a trial, and of a trial.
RUN_ID = "mlflow_run_id"
ATTEMPT = "attempt"  # how often it was tried before, if its process died


class CurrentTrial(Protocol):
    """What a job may ask and tell its study."""

    @property
    def number(self) -> int | None:
        """The trial's number in its study; None outside of a sweep."""

    @property
    def params(self) -> dict[str, Any]:
        """The searched values by config key; empty outside of a sweep."""

    @property
    def run(self) -> "Run | None":
        """The job's run in MLflow; None if it has to open one itself."""

    @property
    def verdict(self) -> "Verdict | None":
        """Why the pruner gave up on the trial; None while it has not."""

    @property
    def reported(self) -> dict[int, float]:
        """The values reported so far, by step; also those of an attempt that died."""

    def report(self, value: float, step: int, metric: str | None = "value") -> None:
        """Store the value to be optimized as it is after an epoch.

        Args:
            value: The value; may be NaN.
            step: The epoch, or whatever the job counts, from 0.
            metric: Its name in MLflow; None if the job writes it there itself.

        Raises:
            KeyboardInterrupt: If the sweep was asked to end; the value has been stored.
        """

    def should_prune(self) -> bool:
        """Whether the study's pruner gives up on this trial, by the values reported."""


class Standalone:
    """Stands in for a trial outside of a sweep: reports go nowhere, nothing is pruned.

    Args:
        run: The run that was opened for the job; None if it opens one itself.
    """

    number = None
    verdict = None

    def __init__(self, run: "Run | None" = None) -> None:
        self.run = run

    @property
    def params(self) -> dict[str, Any]:
        """Nothing was searched."""
        return {}

    @property
    def reported(self) -> dict[int, float]:
        """Nothing was."""
        return {}

    def report(self, value: float, step: int, metric: str | None = "value") -> None:
        """Do nothing."""

    def should_prune(self) -> bool:
        """Never."""
        return False


class StudyTrial:
    """A trial of an Optuna study, and its run in MLflow."""

    def __init__(self, trial: "optuna.trial.Trial", run: "Run | None" = None) -> None:
        self._trial = trial
        self._is_retried = ATTEMPT in trial.user_attrs
        self.reported = _reported(trial) if self._is_retried else {}
        self._written: dict[str, set[int]] = {}  # steps by metric, asked for when they are needed
        self.number = trial.number
        self.params = trial.params
        self.run = run
        self.verdict: Verdict | None = None

    def report(self, value: float, step: int, metric: str | None = "value") -> None:
        """Store the value in MLflow, under this name, and in the study; each step once."""
        # Imported here: outside of a sweep nothing is reported.
        from rnnexp.storage.retry import retry_transient

        if self.run and metric and step not in self._steps(self.run, metric):
            self.run.log_batch(metrics={metric: value}, step=step)
        if step not in self.reported:
            retry_transient(self._trial.report)(value, step)
            self.reported[step] = value
        if self.run:
            self.run.epochs = len(self.reported)
        if interrupt.is_requested():
            raise KeyboardInterrupt("the sweep was asked to end")

    def _steps(self, run: "Run", metric: str) -> set[int]:
        if metric not in self._written:
            self._written[metric] = run.steps(metric) if self._is_retried else set()
        return self._written[metric]

    def should_prune(self) -> bool:
        """Ask the study's pruner, and keep what it says."""
        from rnnexp.storage.retry import retry_transient

        if not retry_transient(self._trial.should_prune)():
            return False
        from rnnexp.pruning import verdict

        study = self._trial.study
        stored = study.get_trials(deepcopy=False)[self.number]
        self.verdict = verdict(study, stored)
        return True


def _reported(trial: "optuna.trial.Trial") -> dict[int, float]:
    return dict(trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values)


_current: CurrentTrial = Standalone()


def current_trial() -> CurrentTrial:
    """The trial that the running Hydra job belongs to.

    Returns:
        The study's trial inside a sweep of ``hydra/sweeper=rnnexp``, else a stand-in that
        never prunes.
    """
    return _current


@contextmanager
def as_current(trial: CurrentTrial) -> Iterator[None]:
    """Let this be the current trial, for a process runs one job at a time."""
    global _current  # noqa: PLW0603
    outer, _current = _current, trial
    try:
        yield
    finally:
        _current = outer


def trial_of_job(hydra: HydraConf) -> "optuna.trial.Trial":
    """The trial that a job of a sweep stands for, from the job's Hydra config."""
    return open_trial(hydra.sweeper, hydra.job.num)


def open_trial(
    settings: Any, number: int, study: "optuna.Study | None" = None
) -> "optuna.trial.Trial":
    """A running trial by its number.

    Args:
        settings: ``hydra.sweeper``.
        number: The trial's number.
        study: Its study, if the trial is to draw values; by default it has a sampler that has
            nothing to prepare.
    """
    import optuna

    storage = open_storage(absolute_uri(settings.storage))
    name = settings.study_name
    study = study or optuna.load_study(
        study_name=name,
        storage=storage,
        pruner=instantiate(settings.pruner),
        sampler=optuna.samplers.RandomSampler(),
    )
    trial_id = storage.get_trial_id_from_study_id_trial_number(
        storage.get_study_id_from_name(name), number
    )
    return optuna.trial.Trial(study, trial_id)
