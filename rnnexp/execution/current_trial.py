"""The job's side of a study: report values to the trial that the job runs, ask whether to go on.

A job finds its trial by its own Hydra config, so this works in any process and under any launcher:
the study's name, storage and pruner are under ``hydra.sweeper``, and a job's number is the number
of its trial.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from hydra.conf import HydraConf
from hydra.utils import instantiate

from rnnexp.execution import interrupt
from rnnexp.execution.orders_to_trial import OrdersToTrial
from rnnexp.execution.trial_measures import TrialMeasures
from rnnexp.identity import Digests
from rnnexp.pausing import Pausing
from rnnexp.storage.optuna_store import (
    open_storage,
    open_trial,
    stored_trial,
)
from rnnexp.storage.schema import TrialAttrs
from rnnexp.storage.uris import absolute_uri

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from rnnexp.pruning import Verdict
    from rnnexp.storage.mlflow_run import Run


class CurrentTrial(Protocol):
    """The trial that a job runs, as the job sees it."""

    @property
    def number(self) -> int | None:
        """The trial's number in its study; None outside of a sweep."""

    @property
    def params(self) -> dict[str, Any]:
        """The searched values by config key; empty outside of a sweep."""

    @property
    def run(self) -> "Run | None":
        """The job's run in MLflow; None if the job has to open a run itself."""

    @property
    def digests(self) -> Digests:
        """The files as they were before trial 0, see `rnnexp.identity.digests_of`; may be empty."""

    @property
    def verdict(self) -> "Verdict | None":
        """Why the pruner stopped the trial; None while the pruner has not."""

    @property
    def pause(self) -> str | None:
        """Why the trial is paused; None while it is not. A paused trial may go on later."""

    @property
    def stopped(self) -> str | None:
        """Why the trial ends as pruned whatever its values are; None while there is no reason.

        A user may have ordered so, or the trial breaks a constraint for good.
        """

    @property
    def measures(self) -> dict[str, float]:
        """What was measured of the trial so far, by name; see `measure`."""

    @property
    def reported(self) -> dict[int, float]:
        """The values reported so far, by step, including those before a pause or a death.

        A job that can go on begins after the last of these steps; the reports of a job that starts
        anew are ignored up to there.
        """

    def report(self, value: float, step: int, metric: str | None = "value") -> None:
        """Report the value to be optimized, as it is after an epoch.

        Args:
            value: The value; may be NaN.
            step: The epoch, or whatever the job counts, from 0.
            metric: The value's name in MLflow; None if the job logs the value there itself.

        Raises:
            KeyboardInterrupt: If the sweep is stopping; the value has been stored.
        """

    def measure(self, **values: float) -> None:
        """Keep other objectives of the trial, and what constraints are on, as they are now.

        The next `report` takes them along. The number of seconds is measured by itself.

        Args:
            **values: The values by name, such as ``parameters``.
        """

    def end_of_epoch(self) -> None:
        """Note that the job has saved its state, as `report` does; for epochs without a report.

        Raises:
            KeyboardInterrupt: If the sweep is stopping.
        """

    def broken(self) -> str:
        """Return which constraint is broken, if no further epoch can change that; else empty."""

    def should_prune(self, *, is_last: bool = False, improves: bool = True) -> bool:
        """Return whether the trial is to stop: for good, or in a study with pausing for a while.

        Args:
            is_last: Whether the job has no further step; such a trial is not paused.
            improves: Whether values get better from step to step, as those of epochs; false for
                means over the folds so far. Such a trial is not paused, but pruned for good, and
                its last value counts, not its best one.
        """

    def leads(self, value: float, measures: Mapping[str, float] | None = None) -> bool:
        """Return whether no complete trial of the study is better than this one.

        Args:
            value: The value of this trial.
            measures: The other values of this trial, see `measure`.
        """


class Standalone:
    """The trial of a job outside of a sweep: reports are ignored, nothing is pruned.

    Args:
        run: The run that was opened for the job; None if the job opens a run itself.
        digests: The files of an archived run that is trained again.
    """

    number = None
    verdict = None
    pause = None
    stopped = None

    def __init__(self, run: "Run | None" = None, digests: Digests | None = None) -> None:
        self.run = run
        self.digests = digests or {}
        self.measures: dict[str, float] = {}

    @property
    def params(self) -> dict[str, Any]:
        """No params, since nothing is searched."""
        return {}

    @property
    def reported(self) -> dict[int, float]:
        """No values, since none is stored."""
        return {}

    def report(self, value: float, step: int, metric: str | None = "value") -> None:
        """Ignore the value."""

    def measure(self, **values: float) -> None:
        """Keep the values."""
        self.measures |= values

    def end_of_epoch(self) -> None:
        """Do nothing."""

    def broken(self) -> str:
        """Return nothing, since a single run is no better or worse than others."""
        return ""

    def should_prune(self, *, is_last: bool = False, improves: bool = True) -> bool:  # noqa: ARG002
        """Return False."""
        return False

    def leads(self, value: float, measures: Mapping[str, float] | None = None) -> bool:  # noqa: ARG002
        """Return True, since there is no other trial."""
        return True


class StudyTrial:
    """A trial of an Optuna study, and its run in MLflow."""

    def __init__(
        self,
        trial: "optuna.trial.Trial",
        run: "Run | None" = None,
        digests: Digests | None = None,
        pausing: Pausing | None = None,
        after_report: Callable[[], None] | None = None,
    ) -> None:
        attrs = trial.user_attrs
        self._trial = trial
        self._pausing = pausing
        self._after_report = after_report
        self._orders = OrdersToTrial(trial)
        self.digests = digests or {}
        self._is_retried = TrialAttrs.ATTEMPT in attrs or TrialAttrs.SLICE in attrs
        self.reported = dict(_stored(trial).intermediate_values) if self._is_retried else {}
        self._step = max(self.reported, default=-1)
        first, until = attrs.get(TrialAttrs.SLICE, (0, -1))
        self._first_of_slice: int = first
        self._until: int = max(until, self._step)
        self._written: dict[str, set[int]] = {}  # steps in MLflow by metric, read when needed
        self.number = trial.number
        self.params = trial.params
        self.run = run
        self._measured = TrialMeasures(trial, run)
        self.verdict: Verdict | None = None
        self.pause: str | None = None
        self.stopped: str | None = None

    def report(self, value: float, step: int, metric: str | None = "value") -> None:
        """Store the value in MLflow, under the metric's name, and in the study; each step once."""
        # Imported here: outside of a sweep nothing is reported.
        from rnnexp.storage.retry import retry_transient

        if self.run and metric and step not in self._steps(self.run, metric):
            self.run.log_batch(metrics={metric: value}, step=step)
        self._step = step
        if step not in self.reported:
            self._measured.report(step)  # first: whoever sees the value has the others, too
            # Optuna's own method refuses a study of several objectives.
            report, trial_id = (
                self._trial.storage.set_trial_intermediate_value,
                self._trial._trial_id,
            )
            retry_transient(report)(trial_id, step, float(value))
            self.reported[step] = value
        if self.run:
            self.run.epochs = len(self.reported)
        self.end_of_epoch()

    @property
    def epoch_seconds(self) -> float | None:
        """The seconds from one report of this job to the next; None before the second one."""
        return self._measured.epoch_seconds

    @property
    def measures(self) -> dict[str, float]:
        """What was measured of the trial so far, by name, with its seconds."""
        return self._measured.now()

    def measure(self, **values: float) -> None:
        """Keep the values for the next report."""
        self._measured.values |= values

    def broken(self) -> str:
        """Return which constraint is broken, if no further epoch can change that; else empty."""
        return self._measured.broken()

    def end_of_epoch(self) -> None:
        """Upload the backup if it is time to, and end the job if the sweep is stopping."""
        if self._after_report:
            self._after_report()
        if interrupt.is_requested():
            raise KeyboardInterrupt("the sweep is stopping")

    def _steps(self, run: "Run", metric: str) -> set[int]:
        if metric not in self._written:
            self._written[metric] = run.steps(metric) if self._is_retried else set()
        return self._written[metric]

    def should_prune(self, *, is_last: bool = False, improves: bool = True) -> bool:
        """Obey an order of a user; else ask the study's pruner, and keep why the trial is to stop.

        The pruner is not asked about a trial that goes on after a pause before its slice is over,
        nor about a job that starts anew before its last step that was reported.

        Args:
            is_last: Whether the job has no further step; such a trial is not paused.
            improves: Whether values get better from step to step.

        Returns:
            Whether the trial is to stop.
        """
        from rnnexp.storage.retry import retry_transient

        if not is_last and (self._obeys() or self._breaks()):
            return True
        if not improves:
            self._judge_means()
        if self._step < self._until or (is_last and self._pausing):
            return False
        is_weak = retry_transient(self._is_weak)()
        verdict = retry_transient(self._verdict)() if is_weak else None
        if self._pausing is None:
            self.verdict = verdict
        elif verdict:
            self.pause = str(verdict).replace("pruned", "paused", 1)
        else:
            self.pause = self._pausing.reason(
                self.reported, self._measured.objectives.first, self._first_of_slice
            )
        return is_weak or self.pause is not None

    def _is_weak(self) -> bool:
        study = self._trial.study  # Optuna's own method refuses one of several objectives
        return study.pruner.prune(study, self._trial.storage.get_trial(self._trial._trial_id))

    def _breaks(self) -> bool:
        """Look whether a constraint is broken for good, so that the trial can't win."""
        if reason := self.broken():
            self.stopped = f"pruned at epoch {self._step}: {reason}"
        return bool(reason)

    def _obeys(self) -> bool:
        """Look whether a user lets the trial end, or pause: also where weak trials never pause."""
        self.stopped, pause = self._orders.reasons()
        self.pause = pause and f"paused at epoch {self._step}: {pause}"
        return bool(self.stopped or self.pause)

    def leads(self, value: float, measures: Mapping[str, float] | None = None) -> bool:
        """Return whether no complete trial of the study is better than this one."""
        return self._measured.leads(value, measures or {})

    def _judge_means(self) -> None:
        """Prune for good, by the last values."""
        from rnnexp.pruning import EarlyStoppingPruner, MeansPruner

        self._pausing = None
        pruner = self._trial.study.pruner
        if isinstance(pruner, EarlyStoppingPruner):
            self._trial.study.pruner = MeansPruner.like(pruner)

    def _verdict(self) -> "Verdict | None":
        from rnnexp.pruning import verdict_of

        return verdict_of(self._trial.study, _stored(self._trial))


def _stored(trial: "optuna.trial.Trial") -> "FrozenTrial":
    return stored_trial(trial.study, trial.storage, trial.number)


_current: ContextVar[CurrentTrial | None] = ContextVar("current_trial", default=None)
# For the threads that a job starts, which have a context of their own.
_of_process: CurrentTrial | None = None


def current_trial() -> CurrentTrial:
    """Return the trial that the running Hydra job belongs to.

    Example:
        In an application's task function, with ``hydra/sweeper=rnnexp``:

        >>> import rnnexp
        >>> def train(learning_rate):
        ...     trial = rnnexp.current_trial()
        ...     loss = 1.0
        ...     for epoch in range(10):
        ...         loss *= 1 - learning_rate
        ...         trial.report(loss, epoch)
        ...         if trial.should_prune():
        ...             break
        ...     return loss
        >>> round(train(0.5), 4)  # outside of a sweep reports are ignored
        0.001

    Returns:
        The study's trial inside a sweep of ``hydra/sweeper=rnnexp``, else a trial that ignores
        reports and never prunes.
    """
    return _current.get() or _of_process or Standalone()


@contextmanager
def as_current(trial: CurrentTrial) -> Iterator[None]:
    """Make a trial the current trial while the block runs."""
    global _of_process  # noqa: PLW0603
    token, outer = _current.set(trial), _of_process
    _of_process = trial
    try:
        yield
    finally:
        _of_process = outer
        _current.reset(token)


def trial_of_job(hydra: HydraConf) -> "optuna.trial.Trial":
    """Return the trial of a sweep's job, by the job's Hydra config."""
    import optuna

    settings = hydra.sweeper
    storage = open_storage(absolute_uri(settings.storage))
    study = optuna.load_study(
        study_name=settings.study_name,
        storage=storage,
        pruner=instantiate(settings.pruner),
        sampler=optuna.samplers.RandomSampler(),  # draws nothing here, and needs no preparation
    )
    return open_trial(study, storage, hydra.job.num)
