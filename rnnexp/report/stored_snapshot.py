"""Snapshot of a stored study, whose sweep has ended or died."""

import optuna
from mlflow.entities import Run

from rnnexp.errors import NotFoundError
from rnnexp.evaluation.files import stored_evaluation
from rnnexp.report.snapshot import Snapshot, snapshot_of
from rnnexp.storage.optuna_store import best_trial
from rnnexp.storage.run_reader import RunReader, metrics_on_test
from rnnexp.storage.schema import TrialAttrs


def stored_snapshot(study: optuna.Study, run: Run, reader: RunReader) -> Snapshot:
    """Read a study from Optuna, and from MLflow its metrics and its best trial's overrides.

    Args:
        study: The study in Optuna.
        run: The study's run in MLflow.
        reader: Reads the store of the run.
    """
    best = best_trial(study)
    best_run = best.user_attrs.get(TrialAttrs.RUN_ID) if best else None
    scores = metrics_on_test(run)
    evaluation = stored_evaluation(reader.store, best_run) if best_run and scores else None
    overrides = _overrides(reader, best_run)
    return snapshot_of(study, overrides=overrides, scores=scores, evaluation=evaluation)


def _overrides(reader: RunReader, run_id: str | None) -> list[str]:
    if not run_id:
        return []
    try:
        return reader.overrides(reader.run(run_id))
    except NotFoundError:  # the run was deleted: the report has no command then
        return []
