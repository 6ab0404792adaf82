"""Orders by tags of MLflow's runs, and the notes of all orders in the runs.

    tag ``steer`` of a run -> the study in Optuna -> sweeps and jobs, which obey
                              the study in Optuna -> tag ``steered`` of the run

MLflow is asked every few seconds, by one request of one sweep of the study, and never by a job.
"""

import logging
import threading
from collections.abc import Callable

import optuna
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from rnnexp.orders import STUDY, TRIALS, Order, plain, text_problem
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.schema import Tags, TrialAttrs
from rnnexp.storage.stored_orders import give_order, read_orders, trial_problem
from rnnexp.sweep.heartbeat import live_sweeps
from rnnexp.sweep.loop_callbacks import LoopCallback

log = logging.getLogger(__name__)

INTERVAL = 5.0  # seconds between two requests


class OrderTags(LoopCallback):
    """Takes orders from the tags of a study's runs, and notes which orders were given.

    No error here fails a sweep: the next look may succeed.

    Args:
        study: The study.
        run: The study's run.
        client: MLflow's client of the store of the runs.
        sweep_id: This sweep's id; of several sweeps, one takes the tags.

    Attributes:
        interval: The loop looks at the study's orders as often, if a slot is free.
    """

    interval: float | None = INTERVAL

    def __init__(self, study: optuna.Study, run: Run, client: MlflowClient, sweep_id: str) -> None:
        self._study = study
        self._run = run
        self._client = client
        self._sweep_id = sweep_id
        self._noted: dict[str, Order] = {}  # orders, by what they are for
        self._told: set[tuple[str, str]] = set()  # runs and tags that the log has told of
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look_repeatedly, daemon=True)

    def on_start(self) -> None:
        """Start the thread that looks at the tags."""
        self._thread.start()

    def on_end(self) -> None:
        """End the thread, and note the orders of the last seconds."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(INTERVAL)  # MLflow may not answer
        self._try(self.note)

    def _look_repeatedly(self) -> None:
        self._try(self.forget)
        while not self._end.wait(INTERVAL):
            self._try(self.look)

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception:  # whatever a store raises
            log.debug("the orders to the study could not be read, or noted", exc_info=True)

    def forget(self) -> None:
        """Remove an order to the study that came when no sweep was running."""
        if live_sweeps(self._study) != {self._sweep_id}:
            return
        tag = self._client.get_run(self._run.id).data.tags.get(Tags.STEER)
        if tag is not None:
            self._answer(self._run.id, f"{tag} was not obeyed, since no sweep was running")

    def look(self) -> None:
        """Note the orders that are new, and then take, and answer, those of tags.

        An answer is the later of the two, so an earlier order must not be noted over it.
        """
        self.note()
        self.take()

    def take(self) -> None:
        """Take the orders that tags give, and remove these tags."""
        if min(live_sweeps(self._study), default=None) != self._sweep_id:
            return
        query = f"tags.{Tags.STEER} != ''"
        for run in self._client.search_runs([self._run.experiment_id], query):
            tags = run.data.tags
            if run.info.run_id == self._run.id:
                self._take(run.info.run_id, tags[Tags.STEER], None)
            elif tags.get(MLFLOW_PARENT_RUN_ID) == self._run.id and Tags.TRIAL in tags:
                self._take(run.info.run_id, tags[Tags.STEER], int(tags[Tags.TRIAL]))

    def _take(self, run_id: str, tag: str, number: int | None) -> None:
        text, by = plain(tag), f"the tag {Tags.STEER}"
        problem = text_problem(text, is_of_trial=number is not None)
        if problem is None and number is not None:
            problem = trial_problem(self._study, number)
        if problem:
            if (run_id, tag) not in self._told:  # MLflow may refuse to remove it
                log.warning("%s of run %s: %s", by, run_id, problem)
            self._told.add((run_id, tag))
            self._answer(run_id, problem)
        else:
            self._answer(run_id, str(give_order(self._study, text, number, by=by, who="in MLflow")))

    def _answer(self, run_id: str, text: str) -> None:
        self._client.set_tag(run_id, Tags.STEERED, text)
        self._client.delete_tag(run_id, Tags.STEER)

    def note(self) -> None:
        """Note the orders that are new in the runs that they are for."""
        given = read_orders(self._study).given
        for target, order in sorted(given.items(), key=lambda item: item[1].when):
            if self._noted.get(target) != order and (run_id := self._run_of(target)):
                self._client.set_tag(run_id, Tags.STEERED, str(order))
                if order.n_trials is not None:
                    self._client.set_tag(run_id, f"{Tags.BUDGET}n_trials", str(order.n_trials))
        self._noted = dict(given)

    def _run_of(self, target: str) -> str | None:
        if target in (STUDY, TRIALS):
            return self._run.id
        trials = self._study.get_trials(deepcopy=False)
        run_id: str | None = trials[int(target)].user_attrs.get(TrialAttrs.RUN_ID)
        return run_id
