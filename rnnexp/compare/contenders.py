"""Runs that are held against each other: single ones, trials, and what is best of studies."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlflow.entities import Run

from rnnexp.compare.curves import letter
from rnnexp.compare.rows import BEST, Row, lead, leaders, objective_of, ranked, rows_of
from rnnexp.compare.where import where
from rnnexp.errors import QueryError
from rnnexp.storage.run_reader import RunReader, is_study


@dataclass(frozen=True)
class Contender:
    """One run beside others.

    Attributes:
        letter: What it goes by in plots.
        name: ``STUDY/NUMBER`` of a trial, else the beginning of its id.
        run: As MLflow has it.
        objective: What its best value is: ``min val_loss``; empty if unknown.
        row: Its values, by column.
        test: Its metrics on the test part, where they are known.
    """

    letter: str
    name: str
    run: Run
    objective: str
    row: Row
    test: dict[str, float]

    @property
    def title(self) -> str:
        """Letter and name."""
        return f"{self.letter} {self.name}"


def contenders(
    reader: RunReader, runs: Sequence[Run], condition: str | None = None, top: int = 1
) -> list[Contender]:
    """Each run, and of each study its best trials.

    Args:
        reader: Where they are.
        runs: Studies, trials, single runs.
        condition: That trials of studies have to meet; None for no condition.
        top: How many trials of a study, at most.

    Raises:
        QueryError: If a study has no completed trial that meets the condition.
    """
    chosen: list[tuple[Run, Run | None]] = []
    for run in runs:
        found = _best(reader, run, condition, top) if is_study(run) else [run]
        chosen += [(one, run if is_study(run) else None) for one in found]
    unique = {run.info.run_id: (run, study) for run, study in chosen}
    return [_contender(n, run, study) for n, (run, study) in enumerate(unique.values())]


def _best(reader: RunReader, study: Run, condition: str | None, top: int) -> list[Run]:
    trials = reader.trials(study)
    rows = rows_of(trials)
    mode = objective_of(study)[:3]
    found = leaders(ranked(where(rows, condition) if condition else rows, mode))[:top]
    if not found:
        such = f" where {condition}" if condition else ""
        raise QueryError(f"study {study.data.tags['study']} has no completed trial{such}")
    by_id = {run.info.run_id: run for run in trials}
    return [by_id[str(row["run"])] for row in found]


def _contender(n: int, run: Run, study: Run | None) -> Contender:
    tags, metrics = run.data.tags, dict(run.data.metrics)
    name = run.info.run_id[:8]
    if "trial" in tags:
        name = f"{tags.get('study', '?')}/{tags['trial']}"
    if study and study.data.metrics.get("best_trial") == float(tags["trial"]):
        metrics |= study.data.metrics
    test = {name: value for name, value in metrics.items() if name.startswith("test_")}
    objective = objective_of(run) or (objective_of(study) if study else "")
    return Contender(letter(n), name, run, objective, rows_of([run])[0], test)


def obstacles(found: Sequence[Contender]) -> list[str]:
    """Why the best values can't be held against each other; empty if they can."""
    data = [one.run.data.tags.get("data", "") for one in found]
    told = []
    for what, values in (("objectives", [one.objective for one in found]), ("data", data)):
        if len(set(values)) > 1:
            pairs = zip(found, values, strict=True)
            each = ", ".join(f"{one.letter}: {value[:16] or 'unknown'}" for one, value in pairs)
            told.append(f"their {what} differ ({each})")
    if not any(one.objective for one in found):
        told.append("none of them says what its objective was")
    return told


def verdict(found: Sequence[Contender]) -> str:
    """Which is best, and by how much; empty if no two have a value."""
    mode = found[0].objective[:3]
    letters = {one.row["run"]: one.letter for one in found}
    order = leaders(ranked([one.row for one in found], mode))
    return lead([letters[row["run"]] for row in order], [row[BEST] for row in order])
