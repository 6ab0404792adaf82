"""Contenders: the runs that are compared side by side, among them the best trials of studies."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlflow.entities import Run

from rnnexp.compare.rows import RUN, Row, describe_winner, leaders, ranked, rows_of
from rnnexp.compare.text_plot import letter
from rnnexp.compare.where import where
from rnnexp.errors import QueryError
from rnnexp.identity import Identity, differing
from rnnexp.objective import Objective
from rnnexp.objectives import Objectives
from rnnexp.storage.run_reader import RunReader, identity_in, is_study, objective_of, objectives_of
from rnnexp.storage.schema import Metrics, Tags


@dataclass(frozen=True)
class Contender:
    """One of the runs that are compared.

    Attributes:
        letter: The letter that marks the run in plots.
        name: ``STUDY/NUMBER`` of a trial, else the beginning of the run's id.
        run: The run in MLflow.
        objective: What the run's best value is of; None if the run has not stored it.
        identity: What the value is measured on and by; None if the run has not stored it.
        row: The run's values by column.
        test: The run's metrics on the test part, by name with the prefix; empty if not evaluated.
    """

    letter: str
    name: str
    run: Run
    objective: Objective | None
    identity: Identity | None
    row: Row
    test: dict[str, float]

    @property
    def title(self) -> str:
        """The letter and the name."""
        return f"{self.letter} {self.name}"


def contenders(
    reader: RunReader, runs: Sequence[Run], condition: str | None = None, top: int = 1
) -> list[Contender]:
    """Return each run once, and in place of each study its best trials.

    Args:
        reader: The store of the runs.
        runs: Studies, trials and single runs.
        condition: A filter of the studies' trials, see `rnnexp.compare.where`; None for all.
        top: The largest number of trials of a study.

    Raises:
        NotFoundError: If the condition names an unknown column.
        QueryError: If a study has no completed trial that meets the condition and its constraints.
    """
    chosen: dict[str, tuple[Run, Run | None]] = {}
    for run in runs:
        if is_study(run):
            trials = _best(reader, run, condition, top)
            chosen |= {trial.info.run_id: (trial, run) for trial in trials}
        else:
            chosen[run.info.run_id] = run, None
    return [_contender(n, run, study) for n, (run, study) in enumerate(chosen.values())]


def _best(reader: RunReader, study: Run, condition: str | None, top: int) -> list[Run]:
    trials = reader.trials(study)
    rows = rows_of(trials)
    kept = where(rows, condition) if condition is not None else rows
    objectives = objectives_of(study)
    best = leaders(ranked(kept, objectives), objectives)[:top]
    if not best:
        which = f" where {condition}" if condition else ""
        if leaders(kept):
            which += " that meets its constraints"
        raise QueryError(f"study {study.data.tags[Tags.STUDY]} has no completed trial{which}")
    by_id = {run.info.run_id: run for run in trials}
    return [by_id[str(row[RUN])] for row in best]


def _contender(n: int, run: Run, study: Run | None) -> Contender:
    tags, metrics = run.data.tags, dict(run.data.metrics)
    name = run.info.run_id[:8]
    if Tags.TRIAL in tags:
        name = f"{tags.get(Tags.STUDY, '?')}/{tags[Tags.TRIAL]}"
    if study and study.data.metrics.get(Metrics.BEST_TRIAL) == float(tags[Tags.TRIAL]):
        metrics |= study.data.metrics
    test = {key: value for key, value in metrics.items() if key.startswith(Metrics.TEST)}
    objective = objective_of(run) or (objective_of(study) if study else None)
    identity = identity_in(tags) or (Identity(str(objective)) if objective else None)
    return Contender(letter(n), name, run, objective, identity, rows_of([run])[0], test)


def ranking_problems(compared: Sequence[Contender]) -> list[str]:
    """Return why the best values of runs can't be ranked; empty if they can."""
    problems = differing({one.letter: one.identity for one in compared})
    if not any(one.objective for one in compared):
        problems.append("none of them has stored its objective")
    return problems


def winner_of(compared: Sequence[Contender]) -> str:
    """Describe the best of runs that can be ranked, and its margin over the runner-up.

    Returns:
        A sentence without its period; empty if no run has completed with a value.
    """
    letters = {one.row[RUN]: one.letter for one in compared}
    first = compared[0].objective
    order = leaders(ranked([one.row for one in compared], Objectives(first) if first else None))
    return describe_winner(
        [letters[row[RUN]] for row in order], [row[Metrics.BEST_VALUE] for row in order]
    )
