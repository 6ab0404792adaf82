"""A study's snapshot from what is stored, when its sweep is over or dead."""

import tempfile
from pathlib import Path

import optuna
from mlflow.entities import Run
from omegaconf import OmegaConf

from rnnexp.errors import NotFoundError
from rnnexp.report.snapshot import Snapshot, snapshot_of
from rnnexp.storage.optuna_store import best_trial
from rnnexp.storage.run_reader import RunReader
from rnnexp.storage.schema import Artifacts, Metrics, TrialAttrs


def stored_snapshot(study: optuna.Study, run: Run, reader: RunReader) -> Snapshot:
    """Read a study, its run, and what its best trial was run with.

    Args:
        study: The study in Optuna.
        run: The study's run.
        reader: Where that is.
    """
    best = best_trial(study)
    scores = {
        name.removeprefix(Metrics.TEST): value
        for name, value in run.data.metrics.items()
        if name.startswith(Metrics.TEST)
    }
    overrides = _overrides(reader, best.user_attrs.get(TrialAttrs.RUN_ID)) if best else []
    return snapshot_of(study, overrides=overrides, scores=scores)


def _overrides(reader: RunReader, run_id: str | None) -> list[str]:
    if not run_id:
        return []
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = reader.download(reader.run(run_id), Artifacts.OVERRIDES, Path(folder))
            return [str(override) for override in OmegaConf.load(file)]
    except NotFoundError:  # it was deleted: its command is left out
        return []
