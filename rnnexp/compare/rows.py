"""Rows of a table of runs: values by column, ranks, order.

A row holds the values of a run by column, in the order in which people read them. The columns have
the names of MLflow's params (shortened), metrics and tags.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from mlflow.entities import Run

from rnnexp.constraints import LATENCY, PARAMETERS
from rnnexp.errors import NotFoundError
from rnnexp.formatting import did_you_mean, format_column, read_value
from rnnexp.number_ranges import is_number
from rnnexp.objectives import Objectives
from rnnexp.result import State
from rnnexp.search.space import SHORT_NAMES
from rnnexp.storage.mlflow_run import stored_name
from rnnexp.storage.schema import Metrics, Tags, measure_metric

Value = str | int | float | bool | None
Row = dict[str, Value]

RUN = "run"  # column of the run's id
FACTS = {  # columns that say whether values can be compared, and their tags
    Tags.SEED: Tags.SEED,
    Tags.BACKEND: Tags.BACKEND,
    Tags.DATA: Tags.DATA,
    "commit": Tags.COMMIT,
    "dirty": Tags.DIRTY,
    "version": Tags.VERSION,
}
RESULTS = (Metrics.BEST_EPOCH, Metrics.BEST_STD, Metrics.EPOCHS, Metrics.SECONDS)
_SHORTENED = {Tags.DATA: 8, "commit": 8}  # the number of characters that are shown
# Names that no param is shortened to, next to those of what is measured.
_OWN = {Tags.TRIAL, Tags.STATE, Tags.REASON, RUN, Metrics.BEST_VALUE, *RESULTS, *FACTS}
_MEASURED = {LATENCY, PARAMETERS}
_INTEGERS = {Metrics.BEST_EPOCH, Metrics.EPOCHS, Metrics.BEST_TRIAL, PARAMETERS}


def value_of(text: str | None) -> Value:
    """Return the value that a param or a tag was written from."""
    return None if text is None else read_value(text)


def short_names(keys: Iterable[str]) -> dict[str, str]:
    """Return a short name for each key: its shortest ending that no other key or column has.

    Example:
        >>> short_names(["model.units", "fit.epochs"])  # a run has a metric epochs
        {'model.units': 'units', 'fit.epochs': 'fit.epochs'}
    """
    endings = {key: _endings(key) for key in keys}
    names = {}
    for key, own in endings.items():
        others = {name for other, some in endings.items() if other != key for name in some}
        others |= _OWN | _MEASURED
        names[key] = next((name for name in own if name not in others), key)
    return names


def _endings(key: str) -> list[str]:
    parts = key.removesuffix("._target_").split(".")
    last = SHORT_NAMES.get(parts[-1], parts[-1])
    return [last, *(".".join(parts[-n:]) for n in range(2, len(parts) + 1))]


def rows_of(runs: Sequence[Run]) -> list[Row]:
    """Return a row for each run, all with the same columns."""
    names = short_names(dict.fromkeys(key for run in runs for key in run.data.params))
    metrics = dict.fromkeys(name for run in runs for name in run.data.metrics)
    others = [name for name in metrics if name not in _OWN and name not in names.values()]
    return [_row(run, names, others) for run in runs]


def _row(run: Run, names: Mapping[str, str], others: Sequence[str]) -> Row:
    params, metrics, tags = run.data.params, run.data.metrics, run.data.tags
    row: Row = {
        Tags.TRIAL: value_of(tags.get(Tags.TRIAL)),
        Metrics.BEST_VALUE: metrics.get(Metrics.BEST_VALUE),
        Tags.STATE: tags.get(Tags.STATE, run.info.status),
    }
    row |= {name: value_of(params.get(key)) for key, name in names.items()}
    row |= {name: _metric(name, metrics.get(name)) for name in RESULTS}
    row |= {name: value_of(tags.get(tag)) for name, tag in FACTS.items()}
    row |= {name: tags.get(FACTS[name], "")[:n] or None for name, n in _SHORTENED.items()}
    row[Tags.REASON] = " ".join(tags.get(Tags.REASON, "").split()) or None
    row |= {name: _metric(name, metrics.get(name)) for name in others}
    return row | {RUN: run.info.run_id}


def _metric(name: str, value: float | None) -> Value:
    return int(value) if value is not None and name in _INTEGERS and value.is_integer() else value


def columns_of(row: Row, objectives: Objectives | None = None) -> list[str]:
    """Return the columns that a table may show, from the trial to the reason.

    Args:
        row: A row of the table.
        objectives: The objectives of the study: the others stand next to the best value.
    """
    names = list(row)
    names = names[: names.index(Tags.REASON) + 1]
    measures = [_measure_column(name) for name in objectives.names] if objectives else []
    place = names.index(Metrics.BEST_VALUE) + 1
    names[place:place] = [name for name in measures if name in row and name not in names]
    return names


def ranked(rows: Iterable[Row], objectives: Objectives | None) -> list[Row]:
    """Return completed trials first, the best first, then paused, pruned and all other ones.

    Args:
        rows: The trials.
        objectives: The rule by which trials of the same state are ordered; None to order them by
            their numbers.
    """
    rows = list(rows)
    if objectives and not objectives.is_plain:
        complete = leaders(rows)
        chosen = {id(row) for row in complete}
        others = [row for row in rows if id(row) not in chosen]
        named = {n: values_of(row, objectives) for n, row in enumerate(complete)}
        best = [complete[n] for n in objectives.order(named)]
        return [*best, *ranked(others, Objectives(objectives.first))]
    order = (State.COMPLETE, State.PAUSED, State.PRUNED, State.FAIL)
    states = [str(state) for state in order]

    def key(row: Row) -> tuple[int, float, int]:
        state, trial = row[Tags.STATE], row[Tags.TRIAL]
        place = states.index(str(state)) if state in states else len(states)
        value = objectives.first.sort_key(_best_value(row)) if objectives else 0.0
        return place, value, trial if isinstance(trial, int) else -1

    return sorted(rows, key=key)


def values_of(row: Row, objectives: Objectives) -> dict[str, float]:
    """Return the values of a trial by name: of each objective, and what constraints are on."""
    measures = {name: row.get(_measure_column(name)) for name in objectives.names}
    known = {name: value for name, value in measures.items() if is_number(value)}
    return objectives.named(_best_value(row), known)


def _measure_column(name: str) -> str:
    return stored_name(measure_metric(name))


def front(rows: Iterable[Row], objectives: Objectives) -> list[Row]:
    """Return the complete trials on the Pareto front, in their order."""
    complete = leaders(rows)
    named = {n: values_of(row, objectives) for n, row in enumerate(complete)}
    return [complete[n] for n in objectives.front(named)]


def leaders(rows: Iterable[Row], objectives: Objectives | None = None) -> list[Row]:
    """Return the trials that have a rank: those that have completed with a finite value.

    Args:
        rows: The trials.
        objectives: The objectives of their study, whose constraints have to be met; None for any.
    """
    return [
        row
        for row in rows
        if row[Tags.STATE] == State.COMPLETE
        and _best_value(row) is not None
        and (not objectives or objectives.is_feasible(values_of(row, objectives)))
    ]


def _best_value(row: Row) -> float | None:
    """Return the best value of a row; None if there is none, or none that is finite."""
    value = row[Metrics.BEST_VALUE]
    return value if isinstance(value, float) and math.isfinite(value) else None


def describe_winner(names: Sequence[str], values: Sequence[Value]) -> str:
    """Describe the best of ranked runs, and its margin over the runner-up.

    Args:
        names: The names of the runs, the best first.
        values: The best value of each run.

    Returns:
        A sentence without its period; empty if there are no values.
    """
    numbers = [value for value in values if isinstance(value, float)]
    if not numbers:
        return ""
    best, *others = format_column(numbers[:2])
    margin = ""
    if others:
        margin = f", {abs(numbers[0] - numbers[1]):.2g} ahead of {names[1]} ({others[0]})"
    return f"{names[0]} is best: {best}{margin}"


def ordered(rows: Sequence[Row], by: str) -> list[Row]:
    """Return rows in the order of a column, those without a value last.

    Args:
        rows: The trials.
        by: The column's name, with ``-`` before it for the greatest value first.

    Raises:
        NotFoundError: If there is no such column.
    """
    column = by.removeprefix("-")
    if rows and column not in rows[0]:
        raise no_column(column, rows)

    def key(row: Row) -> tuple[bool, float, str]:
        value = row[column]
        number = isinstance(value, int | float)
        return isinstance(value, str), float(value or 0) if number else 0.0, str(value)

    present = [row for row in rows if row[column] is not None]
    absent = [row for row in rows if row[column] is None]
    return sorted(present, key=key, reverse=by.startswith("-")) + absent


def no_column(name: str, rows: Sequence[Row]) -> NotFoundError:
    """Return the error on an unknown column, with the columns that have values."""
    known = [column for column in rows[0] if any(row[column] is not None for row in rows)]
    hint = did_you_mean(name, known)
    return NotFoundError(f"there is no column {name}; columns are {', '.join(known)}{hint}")
