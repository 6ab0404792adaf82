"""The trials of a study on the terminal, the best first, in the columns in which they differ."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from mlflow.entities import Run

from rnnexp.cli.tables import Column, print_json, print_table, print_text
from rnnexp.compare.difference import differing
from rnnexp.compare.rows import (
    FACTS,
    RUN,
    Row,
    columns_of,
    describe_winner,
    front,
    leaders,
    ordered,
    ranked,
    rows_of,
    value_of,
    values_of,
)
from rnnexp.compare.where import where
from rnnexp.formatting import format_column, format_value, whole
from rnnexp.identity import differing as differing_identities
from rnnexp.objectives import Objectives, winning_rule
from rnnexp.storage.run_reader import identity_in, objectives_of
from rnnexp.storage.schema import Metrics, Tags

_STYLES = {
    "PRUNED": "yellow",
    "FAIL": "red",
    "PAUSED": "magenta",
    "RUNNING": "cyan",
    "INTERRUPTED": "red",
}


def show_ranking(
    study: Run,
    trials: Sequence[Run],
    *,
    condition: str | None,
    top: int | None,
    sort: str | None,
    as_json: bool,
) -> None:
    """Print the trials of a study.

    Args:
        study: The study's run.
        trials: The study's trials.
        condition: A filter of the trials, see `rnnexp.compare.where`; None for all.
        top: The largest number of trials; None for all.
        sort: The column to sort by, with ``-`` before it for the greatest value first; None to
            sort by the objective.
        as_json: Print JSON on one line instead of a table.

    Raises:
        NotFoundError: If there is no such column.
        QueryError: If the condition can't be read.
    """
    objectives = objectives_of(study)
    rows = rows_of(trials)
    kept = ranked(where(rows, condition) if condition is not None else rows, objectives)
    best = leaders(kept, objectives)
    shown = (ordered(kept, sort) if sort else kept)[:top]
    if as_json:
        print_json(
            {
                Tags.STUDY: study.data.tags[Tags.STUDY],
                "run_id": study.info.run_id,
                Tags.OBJECTIVE: objectives and str(objectives.first),
                Tags.OBJECTIVES: objectives and objectives.to_json(),
                "trials": _as_json(trials, best, shown),
            }
        )
        return
    counts = Counter(str(row[Tags.STATE]).lower() for row in rows)
    print_text(_heading(study, counts))
    if condition is not None:
        print_text(f"{len(kept)} of them where {condition}.")
    _show_winner(trials, best, objectives)
    if shown:
        _show_table(shown, (sort or "").removeprefix("-"), objectives)


def _heading(study: Run, counts: Counter[str]) -> str:
    each = ", ".join(f"{count} {state}" for state, count in counts.items())
    trials = f"{counts.total()} trials{f' ({each})' if each else ''}"
    return (
        f"Study {study.data.tags[Tags.STUDY]}: {objectives_of(study) or 'no objective'}, {trials}."
    )


def _show_winner(trials: Sequence[Run], best: Sequence[Row], objectives: Objectives | None) -> None:
    names = [f"trial {row[Tags.TRIAL]}" for row in best]
    if objectives and objectives.others:
        _show_front(best, objectives)
    elif winner := describe_winner(names, [row[Metrics.BEST_VALUE] for row in best]):
        print_text(f"{winner.capitalize()}.")
    ranked_runs = {row[RUN] for row in best}
    identities = {
        f"trial {run.data.tags[Tags.TRIAL]}": identity_in(run.data.tags)
        for run in trials
        if run.info.run_id in ranked_runs
    }
    for problem in differing_identities(identities):
        print_text(f"The values of the trials can't be compared: {problem}.", "yellow")


def _show_front(best: Sequence[Row], objectives: Objectives) -> None:
    """Print the winner with its value by each objective, which others may have better, and why."""
    if not best:
        return
    values = values_of(best[0], objectives)
    each = (f"{o.monitor} {format_value(whole(values[o.monitor]))}" for o in objectives.all)
    on_front = [str(row[Tags.TRIAL]) for row in front(best, objectives)]
    print_text(f"Trial {best[0][Tags.TRIAL]} is best: {', '.join(each)}.")
    print_text(f"On the Pareto front: {', '.join(on_front)}; {winning_rule(objectives)}.")


def _show_table(rows: Sequence[Row], sort: str, objectives: Objectives | None) -> None:
    names = columns_of(rows[0], objectives)
    if sort and sort not in names:
        names.insert(names.index(Metrics.BEST_VALUE) + 1, sort)
    differ = differing([{name: row[name] for name in names} for row in rows])
    same = {n: rows[0][n] for n in names if n not in differ and rows[0][n] is not None}
    if len(rows) == 1:
        differ, same = dict.fromkeys(same, ()), {}
    if same:
        shown = " ".join(f"{name}={format_value(value)}" for name, value in same.items())
        print_text(f"The same in all: {shown}.")
    styles = [_STYLES.get(str(row[Tags.STATE]), "") for row in rows]
    print_table([_column(name, rows) for name in names if name in differ], styles)


def _column(name: str, rows: Sequence[Row]) -> Column:
    values = [row[name] for row in rows]
    names = list(rows[0])
    is_param = names.index(Tags.STATE) < names.index(name) < names.index(Metrics.BEST_EPOCH)
    if is_param:
        cells = [format_value(value) for value in values]
    else:
        cells = format_column(values, 1 if name == Metrics.SECONDS else None)
    words = any(isinstance(value, str) for value in values)
    return Column(name, cells, left=words, flexible=name == Tags.REASON)


def _as_json(
    trials: Sequence[Run], best: Sequence[Row], shown: Sequence[Row]
) -> list[dict[str, Any]]:
    runs = {run.info.run_id: run.data for run in trials}
    ranks = {row[RUN]: rank for rank, row in enumerate(best, start=1)}
    return [
        {name: row[name] for name in (Tags.TRIAL, Tags.STATE, Tags.REASON, *FACTS)}
        | {
            "rank": ranks.get(row[RUN]),
            "run_id": row[RUN],
            "params": {k: value_of(text) for k, text in runs[str(row[RUN])].params.items()},
            "metrics": runs[str(row[RUN])].metrics,
        }
        for row in shown
    ]
