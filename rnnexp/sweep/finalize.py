"""The end of a sweep, step by step: evaluate, publish, retain, write results, report, deliver.

Each step is guarded by itself: a step that fails is logged, and the others are still done.
"""

import logging
import shlex
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import optuna
from omegaconf import OmegaConf
from optuna.trial import FrozenTrial

from rnnexp.errors import SweepError, one_line
from rnnexp.execution.composer import Composer
from rnnexp.execution.launching import Jobs
from rnnexp.execution.trusted_targets import needs_trust
from rnnexp.report.reporter import Reporter
from rnnexp.storage.ended_trials import EndedTrials
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.storage.optuna_store import best_epoch, best_trial
from rnnexp.storage.refused_writes import undelivered
from rnnexp.storage.schema import Files, Metrics, TrialAttrs
from rnnexp.sweep.heartbeat import Heartbeat
from rnnexp.sweep.outcome import BestTrial, SweepOutcome
from rnnexp.sweep.plan import SweepPlan
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
    failed_steps: dict[str, str] = field(default_factory=dict)

    def finalize(self, stopped: str, error: KeyboardInterrupt | SweepError | None) -> SweepOutcome:
        """Run the steps of the end.

        Args:
            stopped: Why no further trial began.
            error: Why the sweep ended early; None if it did not.

        Returns:
            The outcome of the sweep.
        """
        folder, is_interrupted = self.ledger.folder, isinstance(error, KeyboardInterrupt)
        # MLflow may be back only now, and the checkpoint be queued.
        self._step("deliver", lambda: undelivered(folder))
        scores: dict[str, float] = {}
        published: list[tuple[str, str]] = []
        with _best_trial(self.study, self.heartbeat) as best:
            if best and not is_interrupted:
                scores = self._step("evaluate", lambda: self._evaluate(best)) or {}
                published = self._step("publish", lambda: self._publish(best)) or []
        is_evaluated = not is_interrupted and "evaluate" not in self.failed_steps
        is_over = is_evaluated and self.heartbeat.is_alone()
        self._step("retention", lambda: self.retention.apply(is_over=is_over))
        if best:
            self._step("results", lambda: self._write_results(best))
        ended = stopped or "too many trials failed"
        has_report = self.reporter.write(scores=scores, ended=ended)
        lacking = self._step("deliver", lambda: undelivered(folder)) or []
        return SweepOutcome(
            study=self.study.study_name,
            counts=EndedTrials(self.study).counts,
            best=self._summarized(best) if best else None,
            stopped=stopped,
            browse=self.tracker.how_to_browse(self.study_run),
            storage=self.plan.settings.storage,
            scores=scores,
            published=[*published, *lacking],
            error=error,
            failed_steps=self.failed_steps,
            report=self.reporter.page if has_report else None,
            n_trials=self.plan.settings.n_trials,
        )

    def _step(self, name: str, step: Callable[[], T]) -> T | None:
        try:
            return step()
        except Exception as error:  # whatever the application, Keras or a store raises
            log.exception("the step %s at the end of the sweep failed", name)
            self.failed_steps[name] = f"{type(error).__name__}: {one_line(error)}"
            return None

    def _call(self, function: Callable[..., T], *arguments: object) -> T:
        """Call one of the application's functions with the best trial."""
        if self._unreachable:
            raise SweepError(self._unreachable)
        result: T = self.jobs.call(function, *arguments).result()
        return result

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

    def _write_results(self, best: FrozenTrial) -> None:
        """Write the best params in the form of Hydra's own Optuna sweeper."""
        params = self.plan.space.exact(best.params)
        found = {"name": "optuna", "best_params": params, Metrics.BEST_VALUE: best.value}
        self.ledger.folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(OmegaConf.create(found), self.ledger.folder / Files.RESULTS)

    def _summarized(self, best: FrozenTrial) -> BestTrial:
        return BestTrial(
            number=best.number,
            value=best.values[0],
            epoch=best_epoch(best),
            params=self.plan.space.texts(best.params),
            overrides=self.ledger.overrides(best),
            run_id=best.user_attrs.get(TrialAttrs.RUN_ID),
        )


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
