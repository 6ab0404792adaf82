"""Sweeps whose trials pause and go on, compared with sweeps whose trials never pause."""

import io
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from mlflow.entities import Run

from tests.helpers.commands import Ended, metrics

EPOCHS = 8
LEARNED = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
# Dropout, an order of rows, Adam's state, and callbacks with a memory.
TRAINING = (
    "-m", "deterministic=true", "model=lstm", "model.dropout=0.3", "fit.batch_size=16",
    f"fit.epochs={EPOCHS}", "callbacks.early_stopping.patience=4",
    "callbacks=[early_stopping,model_checkpoint,reduce_lr_on_plateau,csv_logger]",
    "callbacks.reduce_lr_on_plateau.patience=1", "callbacks.csv_logger.append=false",
    "hydra.sweeper.params=null", "compile.optimizer.learning_rate=choice(0.1,0.05)",
    "sampler=random", "pruner=none", "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=2",
    "hydra.sweeper.n_jobs=1",
)  # fmt: skip
# A trial pauses whenever an epoch is no better, and each goes on until it has ended.
PAUSING = ("hydra.sweeper.pausing={patience:1,epochs:1,seconds:0.001,idle_epochs:100}",)
WHOLE = ("hydra.sweeper.pausing=null",)


def assert_equal(paused: Ended, whole: Ended) -> None:
    """Assert that the trials of two sweeps are equal to the last bit, though some have paused."""
    assert (paused.code, whole.code) == (0, 0), paused.err + whole.err
    trials = paused.study("s").trials
    slices = [len(trial.user_attrs.get("slices", [])) for trial in trials]
    assert min(slices) >= 1, slices
    parent, *runs = paused.runs()
    expected = by_learning_rate(whole)
    for trial, run in zip(trials, runs, strict=True):
        other = expected[run.data.params["compile.optimizer.learning_rate"]]
        for name in LEARNED:
            history = metrics(paused, run, name)
            assert [step for step, _ in history] == sorted(trial.intermediate_values), name
            assert history == metrics(whole, other, name), name
        for name in ("best_value", "best_epoch", "epochs"):
            assert run.data.metrics[name] == other.data.metrics[name]
        assert run.data.tags["state"] == other.data.tags["state"] == "COMPLETE"
        assert "reason" not in run.data.tags
        assert artifact(paused, run, "epochs.csv") == artifact(whole, other, "epochs.csv")
        checkpoints = [weights(paused, run), weights(whole, other)]
        np.testing.assert_equal(*checkpoints)
    # One trial after the other, so that pauses would count twice.
    spent = sum(run.data.metrics["seconds"] for run in runs)
    assert spent * 1000 < parent.info.end_time - parent.info.start_time


def by_learning_rate(ended: Ended) -> dict[str, Run]:
    runs = ended.runs()[1:]
    return {run.data.params["compile.optimizer.learning_rate"]: run for run in runs}


def artifact(ended: Ended, run: Run, name: str) -> bytes:
    return Path(ended.client.download_artifacts(run.info.run_id, name)).read_bytes()


def weights(ended: Ended, run: Run) -> dict[str, Any]:
    """Return the weights of a run's best checkpoint, with the state of its optimizer."""
    found: dict[str, Any] = {}

    def keep(name: str, node: object) -> None:
        if isinstance(node, h5py.Dataset):
            found[name] = node[()]

    content = io.BytesIO(artifact(ended, run, run.data.tags["checkpoint"]))
    with zipfile.ZipFile(content) as archive, archive.open("model.weights.h5") as file:
        h5py.File(io.BytesIO(file.read())).visititems(keep)
    assert found
    return found
