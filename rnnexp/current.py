"""The job's side of a study: which trial am I, and am I still wanted?

Everything is read from the Hydra config of the running job, so it works in any
process and under any launcher: the study's name, its storage and its pruner stand
under ``hydra.sweeper``, and a job's number is its trial's number.
"""

from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra.utils import instantiate

from rnnexp.stores import absolute_uri

if TYPE_CHECKING:
    import optuna

SWEEPER = "hydra_plugins.rnnexp.sweeper.RnnexpSweeper"
RUN_ID = "mlflow_run_id"  # user attribute of a study, and of a trial, in Optuna


class CurrentTrial(Protocol):
    """What a job may ask and tell its study."""

    @property
    def number(self) -> int | None:
        """The trial's number in its study; None outside of a sweep."""

    @property
    def study_name(self) -> str | None:
        """The study's name; None outside of a sweep."""

    @property
    def params(self) -> dict[str, Any]:
        """The searched values by config key; empty outside of a sweep."""

    @property
    def parent_run_id(self) -> str | None:
        """The study's MLflow run; None outside of a sweep."""

    def report(self, value: float, step: int) -> None:
        """Store the monitored value of an epoch (``step``, counted from 0)."""

    def should_prune(self) -> bool:
        """Whether the study's pruner gives up on this trial, by the values reported."""

    def set_run_id(self, run_id: str) -> None:
        """Note the trial's MLflow run in the study."""


class Standalone:
    """Stands in for a trial outside of a sweep: reports go nowhere, nothing is pruned."""

    number = None
    study_name = None
    parent_run_id = None

    @property
    def params(self) -> dict[str, Any]:
        """Nothing was searched."""
        return {}

    def report(self, value: float, step: int) -> None:
        """Do nothing."""

    def should_prune(self) -> bool:
        """Never."""
        return False

    def set_run_id(self, run_id: str) -> None:
        """Do nothing."""


class StudyTrial:
    """A trial of an Optuna study, reached through the study's storage."""

    def __init__(self, trial: "optuna.trial.Trial") -> None:
        self._trial = trial
        self.number = trial.number
        self.study_name = trial.study.study_name
        self.params = trial.params
        self.parent_run_id: str | None = trial.study.user_attrs.get(RUN_ID)

    def report(self, value: float, step: int) -> None:
        """Store the monitored value of an epoch."""
        self._trial.report(value, step)

    def should_prune(self) -> bool:
        """Ask the study's pruner."""
        return self._trial.should_prune()

    def set_run_id(self, run_id: str) -> None:
        """Note the trial's MLflow run in the study."""
        self._trial.set_user_attr(RUN_ID, run_id)


@cache
def _storage(url: str) -> "optuna.storages.BaseStorage":
    # One engine a process: opening one costs more than all reads of a short trial.
    import optuna

    return optuna.storages.get_storage(url)


def current_trial() -> CurrentTrial:
    """The trial that the running Hydra job belongs to.

    Returns:
        The study's trial inside a sweep of this project's sweeper, else a stand-in
        that never prunes.
    """
    if not HydraConfig.initialized():
        return Standalone()
    hydra = HydraConfig.get()
    if hydra.mode != RunMode.MULTIRUN or hydra.sweeper.get("_target_") != SWEEPER:
        return Standalone()

    import optuna

    storage = _storage(absolute_uri(hydra.sweeper.storage))
    name = hydra.sweeper.study_name
    study = optuna.load_study(
        study_name=name,
        storage=storage,
        pruner=instantiate(hydra.sweeper.pruner),
        # Asking is the sweeper's; this sampler is never used and has nothing to prepare.
        sampler=optuna.samplers.RandomSampler(),
    )
    trial_id = storage.get_trial_id_from_study_id_trial_number(
        storage.get_study_id_from_name(name), hydra.job.num
    )
    return StudyTrial(optuna.trial.Trial(study, trial_id))
