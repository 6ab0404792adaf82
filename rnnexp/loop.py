"""The loop of a study: ask Optuna for a trial, run it, tell Optuna what came out.

+-> ask -> overrides -> submit -> result -> tell --+
|         (as many at once as there are slots)     |
+---------------- until the budget is spent -------+
"""

import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, field

import optuna
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.core.utils import JobReturn
from optuna.trial import FrozenTrial, Trial, TrialState

from rnnexp import report
from rnnexp.budget import Budget
from rnnexp.current import RUN_ID
from rnnexp.display import Display
from rnnexp.errors import SweepError
from rnnexp.jobs import Jobs
from rnnexp.result import Result, State
from rnnexp.sampling import OtherSeeds, settings_of
from rnnexp.space import Space
from rnnexp.task import to_result
from rnnexp.tracking import Run, Tracker

FAILURE_WINDOW, FEWEST_FAILURES = 20, 5
DIED = "its worker process died"
REPEAT = "repeat"  # user attribute of a trial that repeats a setting: its seed's override


@dataclass
class Loop:
    """Trials of a study, until its budget is spent; a free slot gets its next trial at once.

    Attributes:
        study: The study in Optuna.
        space: What is searched.
        budget: What it may spend.
        max_failure_rate: See `too_many_failed`.
        jobs: Where trials run.
        tracker: Where their runs are.
        parent: The study's run.
        seeds: How a setting is repeated; None if it never is.
        stopped: Why no further trial began.
    """

    study: optuna.Study
    space: Space
    budget: Budget
    max_failure_rate: float
    jobs: Jobs
    tracker: Tracker
    parent: Run
    seeds: OtherSeeds | None = None
    stopped: str = ""
    _asked: dict[int, Trial] = field(default_factory=dict)  # not told yet
    _running: dict[Future[JobReturn], int] = field(default_factory=dict)
    _ended: list[Result] = field(default_factory=list)

    def run(self, display: Display) -> None:
        """Run trials until there is a reason to stop, which is left in ``stopped``.

        Raises:
            SweepError: If too many failed.
            KeyboardInterrupt: On Ctrl-C, when the trials that were running have ended.
        """
        began = time.monotonic()
        try:
            while True:
                self._fill_slots(began)
                if not self._running:
                    return
                for future in wait(
                    self._running, timeout=display.every, return_when=FIRST_COMPLETED
                ).done:
                    self._end(future, display)
                display.show()
                self._stop_if_too_many_failed()
        except BaseException:
            self.jobs.interrupt()
            wait(self._running)
            for trial in self._asked.values():
                self._tell(trial, Result(State.FAIL, reason="interrupted"))
            raise

    def _fill_slots(self, began: float) -> None:
        while len(self._asked) < self.jobs.n_jobs:
            self.stopped = self._reason_to_stop(time.monotonic() - began)
            if self.stopped:
                break
            trial = self.study.ask(self.space.distributions)
            self._asked[trial.number] = trial
            if self.seeds:
                self._note_repeat(trial)
            # A job composes its own config, and the study's default name has the time in it.
            name = QuotedString(self.study.study_name, Quote.single).with_quotes()
            overrides = [*self.overrides_of(trial), f"hydra.sweeper.study_name={name}"]
            self._running[self.jobs.submit(overrides, trial.number)] = trial.number
        self.jobs.flush()

    def _reason_to_stop(self, seconds: float) -> str:
        if reason := self.budget.spent(self._ended, len(self._asked), seconds):
            return reason
        size = self.space.size
        if self.seeds or size is None or len(self.study.get_trials(deepcopy=False)) < size:
            return ""
        tried = {frozenset(setting.items()) for setting in settings_of(self.study)}
        return f"all {size} settings have been tried" if len(tried) >= size else ""

    def _note_repeat(self, trial: Trial) -> None:
        repeats = list(settings_of(self.study, trial.number)).count(trial.params)
        if self.seeds and repeats:
            trial.set_user_attr(REPEAT, self.seeds.override(repeats))

    def overrides_of(self, trial: Trial | FrozenTrial) -> list[str]:
        """The overrides that a trial was, or will be, run with."""
        repeat = trial.user_attrs.get(REPEAT)
        return [*self.space.overrides(trial.params), *([repeat] if repeat else [])]

    def _end(self, future: Future[JobReturn], display: Display) -> None:
        number = self._running.pop(future)
        result = ending(future)
        self._tell(self._asked.pop(number), result)
        self._ended.append(result)
        self.parent.log_metrics(report.progress(self.study), step=len(self._ended))
        display.ended(number, result)

    def _tell(self, trial: Trial, result: Result) -> None:
        if result.best_epoch is not None:
            trial.set_user_attr(report.BEST_EPOCH, result.best_epoch)
        if result.reason:
            trial.set_user_attr(report.REASON, result.reason)
        # Optuna itself gives a pruned trial its last reported value, and wants none.
        value = result.value if result.state == State.COMPLETE else None
        told = self.study.tell(trial, value, state=TrialState[result.state])
        if result.reason == DIED and (run_id := told.user_attrs.get(RUN_ID)):
            # Nobody else is left to end its run.
            self.tracker.end(run_id, "FAILED", {"state": State.FAIL, "reason": DIED})

    def _stop_if_too_many_failed(self) -> None:
        states = [result.state for result in self._ended]
        if too_many_failed(states, self.max_failure_rate):
            recent = states[-FAILURE_WINDOW:]
            raise SweepError(
                f"stopped after {len(states)} trials: {recent.count(State.FAIL)} of the last "
                f"{len(recent)} failed, more than max_failure_rate={self.max_failure_rate}; the "
                "traceback of each is in its MLflow run"
            )


def ending(future: Future[JobReturn]) -> Result:
    """How a job ended, when its process may have died or its function raised."""
    try:
        return to_result(future.result().return_value)
    except BrokenExecutor:
        return Result(State.FAIL, reason=DIED)
    except Exception as error:
        return Result(State.FAIL, reason=f"{type(error).__name__}: {error}")


def too_many_failed(ended: Sequence[State], max_failure_rate: float) -> bool:
    """Whether a sweep should stop: of its last 20 trials, too large a share and at least 5 failed.

    Args:
        ended: How its trials ended, in that order.
        max_failure_rate: The largest share that is still borne.
    """
    recent = ended[-FAILURE_WINDOW:]
    failures = recent.count(State.FAIL)
    return failures >= FEWEST_FAILURES and failures / len(recent) > max_failure_rate
