"""A study's trials on the terminal, the best first, in the columns in which they differ."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from mlflow.entities import Run

from rnnexp.cli.tables import Column, print_json, say, show
from rnnexp.compare.difference import differing
from rnnexp.compare.rows import (
    BEST,
    FACTS,
    Row,
    columns_of,
    lead,
    leaders,
    objective_of,
    ordered,
    ranked,
    rows_of,
    value_of,
)
from rnnexp.compare.where import where
from rnnexp.formatting import format_column, format_value

_STYLES = {"PRUNED": "yellow", "FAIL": "red", "RUNNING": "cyan", "INTERRUPTED": "red"}


def show_ranking(
    study: Run,
    trials: Sequence[Run],
    *,
    condition: str | None,
    top: int | None,
    sort: str | None,
    as_json: bool,
) -> None:
    """Print a study's trials.

    Args:
        study: The study's run.
        trials: Its trials.
        condition: That they have to meet; None for all.
        top: How many of them, at most.
        sort: The column that orders them, with ``-`` before it for the greatest first; None for
            the objective.
        as_json: As JSON on one line instead.

    Raises:
        NotFoundError: If there is no such column.
        QueryError: If the condition can't be read.
    """
    objective = objective_of(study)
    rows = rows_of(trials)
    kept = ranked(where(rows, condition) if condition else rows, objective[:3])
    best = leaders(kept)
    shown = (ordered(kept, sort) if sort else kept)[:top]
    if as_json:
        print_json(
            {
                "study": study.data.tags["study"],
                "run_id": study.info.run_id,
                "objective": objective,
                "trials": _as_json(trials, best, shown),
            }
        )
        return
    states = Counter(str(row["state"]).lower() for row in rows)
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    name = study.data.tags["study"]
    say(f"Study {name}: {objective}, {len(rows)} trials{f' ({counts})' if counts else ''}.")
    if condition:
        say(f"{len(kept)} of them where {condition}.")
    if first := lead([f"trial {row['trial']}" for row in best], [row[BEST] for row in best]):
        say(f"{first.capitalize()}.")
    data = {row["data"] for row in kept if row["data"]}
    if len(data) > 1:
        say(f"Their data differ, in {len(data)} ways: so may what a value means.", "yellow")
    if shown:
        _show_table(shown, (sort or "").removeprefix("-"))


def _show_table(rows: Sequence[Row], also: str) -> None:
    names = columns_of(rows[0])
    if also and also not in names:
        names.insert(names.index(BEST) + 1, also)
    differ = differing([{name: row[name] for name in names} for row in rows])
    same = {n: rows[0][n] for n in names if n not in differ and rows[0][n] is not None}
    if len(rows) == 1:
        differ, same = dict.fromkeys(same, ()), {}
    if same:
        shown = " ".join(f"{name}={format_value(value)}" for name, value in same.items())
        say(f"The same in all: {shown}.")
    styles = [_STYLES.get(str(row["state"]), "") for row in rows]
    show([_column(name, rows) for name in names if name in differ], styles)


def _column(name: str, rows: Sequence[Row]) -> Column:
    values = [row[name] for row in rows]
    names = list(rows[0])
    is_searched = names.index("state") < names.index(name) < names.index("best_epoch")
    if is_searched:
        cells = [format_value(value) for value in values]
    else:
        cells = format_column(values, 1 if name == "seconds" else None)
    words = any(isinstance(value, str) for value in values)
    return Column(name, cells, left=words, flexible=name == "reason")


def _as_json(
    trials: Sequence[Run], best: Sequence[Row], shown: Sequence[Row]
) -> list[dict[str, Any]]:
    runs = {run.info.run_id: run.data for run in trials}
    ranks = {row["run"]: rank for rank, row in enumerate(best, start=1)}
    return [
        {name: row[name] for name in ("trial", "state", "reason", *FACTS)}
        | {
            "rank": ranks.get(row["run"]),
            "run_id": row["run"],
            "params": {k: value_of(text) for k, text in runs[str(row["run"])].params.items()},
            "metrics": runs[str(row["run"])].metrics,
        }
        for row in shown
    ]
