"""What a study makes of its best trial at the end: metrics on the test part, a model to use."""

import shlex
from dataclasses import dataclass

from hydra.utils import get_method
from omegaconf import DictConfig
from optuna.trial import FrozenTrial

from rnnexp.errors import one_line
from rnnexp.execution.launching import Jobs
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.mlflow_store import Tracker
from rnnexp.storage.schema import Metrics, TrialAttrs


@dataclass(frozen=True)
class Winner:
    """A study's best trial, and the application's functions for it, which run where jobs do.

    Attributes:
        trial: The trial.
        config: The config that it was run with; ``hydra.sweeper`` names the functions.
        parent: The study's run.
        tracker: Where the runs are.
        jobs: Where the functions run.
    """

    trial: FrozenTrial
    config: DictConfig
    parent: Run
    tracker: Tracker
    jobs: Jobs

    def evaluate(self) -> dict[str, float]:
        """Its metrics on the test part, which the study's run gets as well; empty without any."""
        settings = self.config.hydra.sweeper
        if not settings.evaluate:
            return {}
        called = self.jobs.call(get_method(settings.evaluate), self.config, self._run_id)
        scores: dict[str, float] = called.result()
        self.parent.log_batch(
            metrics={f"{Metrics.TEST}{name}": value for name, value in scores.items()}
        )
        return scores

    def publish(self) -> list[tuple[str, str]]:
        """What became of its model, each with a command; a sweep has its result without it."""
        settings = self.config.hydra.sweeper
        if not settings.publish:
            return []
        name = settings.registered_model_name
        try:
            function = get_method(settings.publish)
            called = self.jobs.call(function, self.config, self._run_id, self.parent.id, name)
            published: list[tuple[str, str]] = called.result()
        except Exception as error:  # whatever MLflow, Keras or the application raises
            study = settings.study_name
            if name is None:
                again = ["rnnexp", "export", f"{study}/{self.trial.number}", f"{study}-model"]
            else:
                again = ["rnnexp", "publish", study, "--name", name]
            told = f"The best model could not be logged: {one_line(error)}. To do it later:"
            return [(told, shlex.join([*again, "--tracking-uri", self.tracker.uri]))]
        return published

    @property
    def _run_id(self) -> str:
        return str(self.trial.user_attrs[TrialAttrs.RUN_ID])
