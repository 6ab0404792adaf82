"""A study in a notebook: its trials as a table, its best trial, and that trial's model."""

from functools import cached_property
from typing import TYPE_CHECKING

from rnnexp.compare.rows import RUN, Row, front, leaders, ranked, rows_of
from rnnexp.errors import NotFoundError
from rnnexp.library_defaults import set_library_defaults
from rnnexp.objective import Objective
from rnnexp.objectives import Objectives
from rnnexp.reproduce.usable_run import UsableRun
from rnnexp.storage.run_reader import RunReader, objective_of, objectives_of
from rnnexp.storage.schema import Tags

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities import Run

    from rnnexp.serving.text_model import TextModel

LATEST = "latest"


def load_study(
    name: str = LATEST, tracking_uri: str | None = None, *, trust: bool = False
) -> "LoadedStudy":
    """Load a study, also one that still runs.

    Example:
        >>> import rnnexp
        >>> study = rnnexp.load_study()  # doctest: +SKIP
        >>> study.best["best_value"]  # doctest: +SKIP
        0.1981
        >>> study.model().predict(["a good film", "a bad film"])  # doctest: +SKIP
          label  probability_neg  probability_pos
        0   pos             0.03             0.97
        1   neg             0.98             0.02

    Args:
        name: The study's name or its beginning, or the id of its run in MLflow; ``latest`` for the
            study that began last.
        tracking_uri: MLflow's tracking URI; None for ``MLFLOW_TRACKING_URI``, else MLflow's
            default, which is the file ``mlflow.db`` of the working directory.
        trust: Whether the code that the configs of the runs name may be imported, also if it is not
            of rnnexp, Keras or Optuna.

    Returns:
        The study.

    Raises:
        rnnexp.errors.NotFoundError: If there is no such study.
        rnnexp.errors.SchemaError: If the study has another schema version.
    """
    set_library_defaults()
    reader = RunReader(tracking_uri, trust=trust)
    if name == LATEST:
        studies = reader.studies()
        if not studies:
            raise NotFoundError(f"there is no study in {reader.uri}")
        name = studies[0].info.run_id
    return LoadedStudy(reader, reader.study(name))


class LoadedStudy:
    """A study as MLflow has it. What is read once stays as it was; load a study anew to look again.

    Args:
        reader: The store of the study.
        run: The study's run.

    Attributes:
        name: The study's name.
        run_id: Id of the study's run in MLflow.
        objective: What the study optimizes, such as ``min val_loss``; of several, the first.
        objectives: All objectives, and the constraints.
    """

    def __init__(self, reader: RunReader, run: "Run") -> None:
        self._reader = reader
        self._run = run
        self.name: str = run.data.tags[Tags.STUDY]
        self.run_id: str = run.info.run_id
        self.objectives: Objectives | None = objectives_of(run)
        self.objective: Objective | None = objective_of(run)

    def __repr__(self) -> str:
        """Return the study's name and objective."""
        return f"<study {self.name}, {self.objectives}>"

    @cached_property
    def trials(self) -> "pd.DataFrame":
        """The trials by number, with the columns of ``rnnexp compare``.

        Among them are ``state``, ``best_value``, each param by a short name, ``best_epoch``,
        ``epochs``, ``seconds``, the last value of each metric, and ``run``, the id in MLflow.
        """
        import pandas as pd

        return pd.DataFrame(self._rows).set_index(Tags.TRIAL) if self._rows else pd.DataFrame()

    @property
    def best(self) -> "pd.Series":
        """The row of the best complete trial; its ``name`` is the trial's number.

        Raises:
            rnnexp.errors.NotFoundError: If no trial is complete.
        """
        complete = leaders(ranked(self._rows, self.objectives), self.objectives)
        if not complete:
            raise NotFoundError(
                f"study {self.name} has no complete trial that meets its constraints"
                if self.objectives and self.objectives.constraints
                else f"study {self.name} has no complete trial"
            )
        return self.trials.loc[complete[0][Tags.TRIAL]]

    @property
    def front(self) -> "pd.DataFrame":
        """The rows of the trials on the Pareto front; with one objective, that of the best."""
        found = front(self._rows, self.objectives) if self.objectives else []
        return self.trials.loc[[row[Tags.TRIAL] for row in found]]

    @cached_property
    def _rows(self) -> list[Row]:
        return rows_of(self._reader.trials(self._run))

    def model(self, trial: int | None = None) -> "TextModel":
        """Load the model of a trial, which takes raw texts.

        Args:
            trial: The trial's number; None for the best.

        Returns:
            The model: ``predict(["a text", ...])`` returns a table with a row for each text.

        Raises:
            rnnexp.errors.NotFoundError: If the trial has no checkpoint, or its data have changed.
            rnnexp.errors.UntrustedError: If the config names other code, and is not trusted.
        """
        run = self._reader.run(self.best[RUN] if trial is None else f"{self.run_id}/{trial}")
        return UsableRun.of(self._reader, run).text_model()
