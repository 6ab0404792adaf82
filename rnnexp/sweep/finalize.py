"""The end of a sweep, step by step: end what is paused, evaluate, publish, retain, report.

Each step is guarded by itself: a step that fails is logged, and the others are still done. After
Ctrl-C the best trial is neither evaluated nor published, and the summary says how to do it later.
"""

import logging
import shlex
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import optuna
from omegaconf import OmegaConf
from optuna.trial import FrozenTrial

from rnnexp.errors import RnnexpError, SweepError, one_line
from rnnexp.evaluation.files import stored_evaluation
from rnnexp.execution.composer import Composer
from rnnexp.execution.launching import Jobs
from rnnexp.execution.trusted_targets import needs_trust
from rnnexp.report.reporter import Reporter
from rnnexp.search.sampling import reason_to_stop
from rnnexp.search.space import Space
from rnnexp.storage.ended_trials import EndedTrials
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.storage.optuna_store import best_trial, stored_result
from rnnexp.storage.refused_writes import undelivered
from rnnexp.storage.schema import Files, Metrics, TrialAttrs
from rnnexp.storage.stored_orders import read_orders
from rnnexp.sweep.front_tags import FrontTags
from rnnexp.sweep.heartbeat import Heartbeat
from rnnexp.sweep.outcome import BestTrial, FrontTrial, SweepOutcome
from rnnexp.sweep.plan import SweepPlan
from rnnexp.sweep.progress_metrics import log_progress
from rnnexp.sweep.reopening import left_paused
from rnnexp.sweep.retention import Retention
from rnnexp.sweep.trial_ledger import TrialLedger

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass
class Finalizer:
    """The steps of a sweep's end, in this order; `finalize` runs them all.

    Attributes:
        plan: The plan of the sweep.
        study: The study.
        study_run: The study's run in MLflow.
        tracker: The store of the runs.
        ledger: The ledger of the trials.
        jobs: Runs the application's functions.
        composer: Composes the best trial's config.
        retention: Deletes checkpoints.
        reporter: Writes the report.
        heartbeat: Knows whether other sweeps work on the study.
        front: Tags the trials on the Pareto front.
    """

    plan: SweepPlan
    study: optuna.Study
    study_run: Run
    tracker: Tracker
    ledger: TrialLedger
    jobs: Jobs
    composer: Composer
    retention: Retention
    reporter: Reporter
    heartbeat: Heartbeat
    front: FrontTags
    failed_steps: dict[str, str] = field(default_factory=dict)
    interruption: KeyboardInterrupt | None = None

    def finalize(self, stopped: str, error: KeyboardInterrupt | SweepError | None) -> SweepOutcome:
        """Run the steps of the end.

        Args:
            stopped: Why no further trial began.
            error: Why the sweep ended early; None if it did not.

        Returns:
            The outcome of the sweep.
        """
        self.interruption = error if isinstance(error, KeyboardInterrupt) else None
        self._step("deliver", self._deliver_first)
        # Of sweeps that a user stops at the same moment, each would wait for the other to do it.
        is_shared = not self.heartbeat.is_alone()
        if not error and (not is_shared or read_orders(self.study).is_stopped):
            self._step("paused", lambda: _end_paused(self.ledger, self.study_run, stopped))
        scores, published = dict[str, float](), list[tuple[str, str]]()
        with _best_trial(self.study, self.heartbeat) as best:
            if best and not self.interruption:
                scores = self._step("evaluate", lambda: self._evaluate(best)) or {}
            if best and not self.interruption:
                published = self._step("publish", lambda: self._publish(best)) or []
        is_over = "evaluate" not in self.failed_steps and self.heartbeat.is_alone()
        is_over = is_over and not self.interruption
        self._step("retention", lambda: self.retention.apply(is_over=is_over))
        if best:
            self._step("results", lambda: _write_results(best, self.plan.space, self.ledger.folder))
        self.front.tag_at_end()
        ended = stopped or "too many trials failed"
        has_report = self._step("report", lambda: self._report(best, scores, ended))
        lacking = self._step("deliver", lambda: undelivered(self.ledger.folder)) or []
        return SweepOutcome(
            study=self.study.study_name,
            counts=EndedTrials(self.study).counts,
            best=_summarized(best, self.plan, self.ledger),
            stopped=stopped, browse=self.tracker.how_to_browse(self.study_run),
            storage=self.plan.settings.storage,
            scores=scores,
            paused=len(left_paused(self.ledger.paused)),
            published=[*published, *lacking],
            error=self.interruption or error, failed_steps=self.failed_steps,
            report=self.reporter.page if has_report else None,
            findings=self.reporter.findings,
            n_trials=_n_trials(self.plan, self.study), front=_front(self.plan, self.study),
            objectives=self.plan.objectives, is_shared=is_shared,
        )  # fmt: skip

    def _step(self, name: str, step: Callable[[], T]) -> T | None:
        try:
            return step()
        except KeyboardInterrupt as interruption:
            log.warning("interrupted, without the step %s of the end of the sweep", name)
            self.interruption = interruption
            self.failed_steps[name] = "interrupted"
            return None
        except Exception as error:  # whatever the application, Keras or a store raises
            reason = f"{type(error).__name__}: {one_line(error)}"
            has_trace = not isinstance(error, RnnexpError)
            log.log(logging.ERROR, "the step %s failed: %s", name, reason, exc_info=has_trace)
            self.failed_steps[name] = reason
            return None

    def _call(self, function: Callable[..., T], *arguments: object) -> T:
        """Call one of the application's functions with the best trial."""
        if self._unreachable:
            raise SweepError(self._unreachable)
        result: T = self.jobs.call(function, *arguments).result()
        return result

    def _deliver_first(self) -> None:
        """Deliver what was queued, perhaps the best checkpoint, and wait for MLflow if need be."""
        if undelivered(self.ledger.folder) and not self._unreachable:
            undelivered(self.ledger.folder)

    @cached_property
    def _unreachable(self) -> str | None:
        return self.tracker.unreachable()

    def _evaluate(self, best: FrozenTrial) -> dict[str, float]:
        function = self.plan.application.evaluate
        if not function:
            return {}
        config = self.composer.compose(self.ledger.job_overrides(best.number))
        run_id = str(best.user_attrs[TrialAttrs.RUN_ID])
        scores: dict[str, float]
        try:
            scores = self._call(function, config, run_id)
        except BrokenExecutor:
            log.warning("the worker that evaluated the best trial has died; retrying")
            scores = self._call(function, config, run_id)
        metrics = {f"{Metrics.TEST}{name}": value for name, value in scores.items()}
        self.study_run.log_batch(metrics=metrics)
        return scores

    def _report(self, best: FrozenTrial | None, scores: Mapping[str, float], ended: str) -> bool:
        run_id = best.user_attrs[TrialAttrs.RUN_ID] if best and scores else None
        return self.reporter.write(scores, ended, stored_evaluation(self.tracker, run_id))

    def _publish(self, best: FrozenTrial) -> list[tuple[str, str]]:
        function, settings = self.plan.application.publish, self.plan.settings
        if not function:
            return []
        config = self.composer.compose(self.ledger.job_overrides(best.number))
        name = config.hydra.sweeper.registered_model_name  # may depend on the trial's params
        run_id = str(best.user_attrs[TrialAttrs.RUN_ID])
        try:
            published: list[tuple[str, str]] = self._call(
                function, config, run_id, self.study_run.id, name
            )
        except Exception as error:  # a sweep has its result without a published model
            study = settings.study_name
            if name is None:
                command = ["rnnexp", "export", f"{study}/{best.number}", f"{study}-model"]
            else:
                command = ["rnnexp", "publish", study, "--name", name]
            line = f"The best model could not be logged: {one_line(error)}. To do it later:"
            command += ["--tracking-uri", self.tracker.uri]
            return [(line, shlex.join([*command, *(["--trust"] if needs_trust(config) else [])]))]
        return published


def _write_results(best: FrozenTrial, space: Space, folder: Path) -> None:
    """Write the best params in the form of Hydra's own Optuna sweeper."""
    params = space.exact(best.params)
    found = {"name": "optuna", "best_params": params, Metrics.BEST_VALUE: best.values[0]}
    if len(best.values) > 1:
        found["best_values"] = best.values
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(OmegaConf.create(found), folder / Files.RESULTS)


def _end_paused(ledger: TrialLedger, study_run: Run, stopped: str) -> None:
    trials = EndedTrials(ledger.study)
    has_paused = bool(trials.paused)
    ledger.paused.end_all(stopped)
    if has_paused:  # the counts on the study's run are those of the loop's end
        log_progress(trials.read(), study_run)


def _n_trials(plan: SweepPlan, study: optuna.Study) -> int | None:
    if reason_to_stop(study, plan.space):
        return None
    return read_orders(study).n_trials or plan.settings.n_trials


def _summarized(best: FrozenTrial | None, plan: SweepPlan, ledger: TrialLedger) -> BestTrial | None:
    if best is None:
        return None
    result = stored_result(best)
    return BestTrial(
        number=best.number,
        value=best.values[0],
        measures=result.measures if result else {},
        epoch=result.best_epoch if result else None,
        std=result.std if result else None,
        params=plan.space.texts(best.params),
        overrides=ledger.space.overrides(best.params),
        run_id=best.user_attrs.get(TrialAttrs.RUN_ID),
    )


def _front(plan: SweepPlan, study: optuna.Study) -> list[FrontTrial]:
    """Return the trials on the Pareto front, the winner first; none of one objective."""
    if not plan.objectives.others:
        return []
    return [
        FrontTrial(trial.number, trial.values, plan.space.texts(trial.params))
        for trial in EndedTrials(study).front
    ]


@contextmanager
def _best_trial(study: optuna.Study, heartbeat: Heartbeat) -> Iterator[FrozenTrial | None]:
    """Give the best trial, whose checkpoint no other sweep deletes while the block runs.

    No lock is held meanwhile: the block waits for a worker, which takes locks of its own.
    """
    best, known = best_trial(study), None
    while best and best.number != known:  # another sweep may have found a better trial
        known = best.number
        heartbeat.evaluates(known)
        best = best_trial(study)
    try:
        yield best
    finally:
        if known is not None:
            heartbeat.evaluates(None)
