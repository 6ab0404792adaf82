"""Commands that tests run, and what such a command has left behind.

Optuna and MLflow are imported when they are used: a test of a rule alone should take a second.
"""

import io
import runpy
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import optuna
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

ROOT = Path(__file__).parents[2]
TINY = (
    "data.n_train=120",
    "data.n_test=40",
    "data.maxlen=8",
    "model.embedding_size=4",
    "model.units=4",
    "fit.epochs=2",
)
# For commands that only have to run: a graph costs more than a tiny training.
EAGER = "+compile.run_eagerly=true"
# Prunes every trial that reaches epoch 2, for good, and no other trial.
PRUNE_AT_2 = (
    "hydra.sweeper.pausing=null",
    "pruner=none",
    "pruner._target_=optuna.pruners.ThresholdPruner",
    "+pruner.upper=0",
    "+pruner.n_warmup_steps=2",
)


@dataclass
class Ended:
    """A command that has ended.

    Attributes:
        path: The folder in which the command was started.
        code: The exit code.
        out: The text on standard output.
        err: The text on standard error.
    """

    path: Path
    code: int
    out: str
    err: str

    @property
    def client(self) -> "MlflowClient":
        from mlflow.tracking import MlflowClient

        return MlflowClient(f"sqlite:///{self.path}/mlflow.db")

    def runs(self, experiment: str = "rnnexp") -> "list[Run]":
        """Return the study's run, followed by the runs of its trials by number."""
        found = self.client.get_experiment_by_name(experiment)
        runs = self.client.search_runs([found.experiment_id])
        return sorted(runs, key=lambda run: int(run.data.tags.get("trial", -1)))

    def study(self, name: str | None = None) -> "optuna.Study":
        import optuna

        return optuna.load_study(study_name=name, storage=f"sqlite:///{self.path}/optuna.db")

    def files(self) -> set[str]:
        return {file.name for file in self.path.iterdir()}


Command = Callable[..., Ended]


def run_here(script: Path, arguments: list[str], path: Path) -> Ended:
    """Run ``python SCRIPT ARGUMENTS`` in this process, in a folder.

    A process of its own would spend ten seconds on importing TensorFlow.
    """
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(path)
        patch.setattr(sys, "argv", [script.name, *arguments])
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as end:
            if isinstance(end.code, str):  # Python itself prints the text and exits with 1
                err.write(end.code)
            code = 1 if isinstance(end.code, str) else int(end.code or 0)
    return Ended(path, code, out.getvalue(), err.getvalue())


def metrics(ended: Ended, run: "Run", name: str) -> list[tuple[int, float]]:
    """Return the history of a run's metric, as steps and values."""
    history = ended.client.get_metric_history(run.info.run_id, name)
    return [(metric.step, metric.value) for metric in history]
