"""Tags of the trials on the Pareto front, by which MLflow's UI filters and sorts."""

import logging

from mlflow.tracking import MlflowClient
from optuna.trial import FrozenTrial

from rnnexp.errors import one_line
from rnnexp.result import Result
from rnnexp.storage.ended_trials import EndedTrials
from rnnexp.storage.schema import Tags, TrialAttrs
from rnnexp.sweep.loop_callbacks import LoopCallback

log = logging.getLogger(__name__)


class FrontTags(LoopCallback):
    """Tags the trials on the front, and takes the tag from those that others dominate by now.

    While the sweep runs, no error here fails it: the next look may succeed.

    Args:
        trials: The study's trials; nothing is tagged if it has one objective, and no constraint.
        client: MLflow's client of the store of the runs.
    """

    def __init__(self, trials: EndedTrials, client: MlflowClient) -> None:
        self._trials = trials
        self._client = client
        self._tagged: dict[str, str] = {}  # by run
        self._is_due = True

    def on_trial_end(self, number: int, result: Result) -> None:  # noqa: ARG002
        """Tag when the slots are filled."""
        self._is_due = True

    def on_idle(self) -> None:
        """Tag, if trials have ended since."""
        if not self._is_due:
            return
        try:
            self.tag()
        except Exception:  # whatever MLflow raises
            log.debug("the trials on the front could not be tagged", exc_info=True)
            return
        self._is_due = False

    def tag(self) -> None:
        """Tag what has changed since the last time.

        Raises:
            Exception: Whatever MLflow raises.
        """
        if self._trials.objectives.is_plain:
            return
        trials = self._trials.read()
        front = {trial.number for trial in trials.front}
        for trial in trials.ranked:
            run_id, text = _run(trial), str(trial.number in front).lower()
            if run_id and self._tagged.get(run_id) != text:
                self._client.set_tag(run_id, Tags.FRONT, text)
                self._tagged[run_id] = text

    def tag_at_end(self) -> None:
        """Tag what has changed since the sweep's loop has ended; no sweep fails by its tags."""
        try:
            self.tag()
        except Exception as error:  # whatever MLflow raises
            log.warning("the tags %s in MLflow are not up to date: %s", Tags.FRONT, one_line(error))


def _run(trial: FrozenTrial) -> str | None:
    run_id: str | None = trial.user_attrs.get(TrialAttrs.RUN_ID)
    return run_id
