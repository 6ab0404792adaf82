"""A study's snapshot from what is stored, when its sweep is over or dead."""

import tempfile
from pathlib import Path

import optuna
from mlflow.entities import Run
from omegaconf import OmegaConf

from rnnexp.errors import NotFoundError
from rnnexp.execution.current_trial import RUN_ID
from rnnexp.report.snapshot import Snapshot, snapshot_of
from rnnexp.storage.run_reader import RunReader
from rnnexp.sweep.summary import best_trial

TEST = "test_"  # metrics of the study's run: of the best trial on the test part


def stored_snapshot(study: optuna.Study, run: Run, reader: RunReader) -> Snapshot:
    """Read a study, its run, and what its best trial was run with.

    Args:
        study: The study in Optuna.
        run: The study's run.
        reader: Where that is.
    """
    best = best_trial(study)
    scores = {
        name.removeprefix(TEST): value
        for name, value in run.data.metrics.items()
        if name.startswith(TEST)
    }
    overrides = _overrides(reader, best.user_attrs.get(RUN_ID)) if best else []
    return snapshot_of(study, overrides=overrides, scores=scores)


def _overrides(reader: RunReader, run_id: str | None) -> list[str]:
    if not run_id:
        return []
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = reader.download(reader.run(run_id), "overrides.yaml", Path(folder))
            return [str(override) for override in OmegaConf.load(file)]
    except NotFoundError:  # it was deleted: its command is left out
        return []
