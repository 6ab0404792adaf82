"""``rnnexp compare``: the trials of a study ranked, or runs side by side."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from rnnexp.cli.options import JSON, TRACKING

if TYPE_CHECKING:
    from mlflow.entities import Run

    from rnnexp.archive import Archive
    from rnnexp.cli.tables import Column
    from rnnexp.compare import Row

_STYLES = {"PRUNED": "yellow", "FAIL": "red", "RUNNING": "cyan", "INTERRUPTED": "red"}


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="STUDY | RUN RUN...")
@click.option(
    "--where",
    "condition",
    metavar="CONDITION",
    help='Only trials such as "units = 64 and lr < 0.01".',
)
@click.option("--top", type=click.IntRange(1), metavar="N", help="Only the first N trials.")
@click.option("--sort", metavar="COLUMN", help="Order by a column; -COLUMN: the greatest first.")
@TRACKING
@JSON
def compare(
    runs: tuple[str, ...],
    condition: str | None,
    top: int | None,
    sort: str | None,
    tracking_uri: str | None,
    as_json: bool,
) -> None:
    """Rank the trials of a STUDY, or hold runs against each other.

    Ranked, a study's trials have the columns in which they differ: the best first, pruned and
    failed ones after. More than one RUN are shown side by side: results, the settings that
    differ, the curves of their epochs. A study among them stands for its best trial, or its best
    N with --top.

    RUN is the beginning of a run's id, or STUDY/NUMBER of a trial; STUDY is a study's name. The
    beginning of a name will do. CONDITION is as in SQL, on any column of the table or any metric.
    """
    # Imported here, since `--help` needs no MLflow.
    from rnnexp.archive import Archive, is_study
    from rnnexp.cli.beside import show_beside
    from rnnexp.contenders import contenders
    from rnnexp.errors import QuestionError

    archive = Archive(tracking_uri)
    found = [archive.study_or_run(name) for name in runs]
    studies = [run for run in found if is_study(run)]
    if len(found) == 1 and studies:
        _compare_trials(archive, found[0], condition, top, sort, as_json)
        return
    if sort:
        raise QuestionError("--sort is for the trials of one study; runs stand side by side")
    if (condition or top) and not studies:
        raise QuestionError("--where and --top are for trials of studies, of which none is given")
    beside = contenders(archive, found, condition, top or 1)
    if len(beside) < 2:
        raise QuestionError(f"{' '.join(runs)} is one run; give another to compare it with")
    show_beside(archive, beside, as_json=as_json)


def _compare_trials(
    archive: "Archive",
    study: "Run",
    condition: str | None,
    top: int | None,
    sort: str | None,
    as_json: bool,
) -> None:
    from rnnexp.cli.tables import print_json, say
    from rnnexp.compare import lead, leaders, objective_of, ordered, ranked, rows_of
    from rnnexp.where import where

    trials = archive.trials(study)
    objective = objective_of(study)
    rows = rows_of(trials)
    kept = ranked(where(rows, condition) if condition else rows, objective[:3])
    best = leaders(kept)
    shown = (ordered(kept, sort) if sort else kept)[:top]
    if as_json:
        print_json(_as_json(study, trials, objective, [row["run"] for row in best], shown))
        return
    say(_headline(study, objective, rows))
    if condition:
        say(f"{len(kept)} of them where {condition}.")
    if first := lead(
        [f"trial {row['trial']}" for row in best], [row["best_value"] for row in best]
    ):
        say(f"{first[0].upper()}{first[1:]}.")
    data = Counter(row["data"] for row in rows if row["data"])
    if len(data) > 1:
        say(
            f"They were trained on {len(data)} different data or encodings of it: what is better "
            "may be owed to that.",
            "yellow",
        )
    if shown:
        _show_trials(shown, sort)


def _as_json(
    study: "Run",
    trials: Sequence["Run"],
    objective: str,
    best: Sequence[object],
    shown: Sequence["Row"],
) -> dict[str, object]:
    from rnnexp.compare import FACTS, value_of

    runs = {run.info.run_id: run for run in trials}
    ranks = {run_id: rank for rank, run_id in enumerate(best, start=1)}
    found = []
    for row in shown:
        run = runs[str(row["run"])]
        found.append(
            {name: row[name] for name in ("trial", "state", "reason", *FACTS)}
            | {
                "run_id": run.info.run_id,
                "rank": ranks.get(run.info.run_id),
                "params": {key: value_of(text) for key, text in run.data.params.items()},
                "metrics": run.data.metrics,
            }
        )
    return {
        "study": study.data.tags["study"],
        "run_id": study.info.run_id,
        "objective": objective,
        "trials": found,
    }


def _headline(study: "Run", objective: str, rows: Sequence["Row"]) -> str:
    states = Counter(str(row["state"]) for row in rows)
    counts = ", ".join(f"{count} {state.lower()}" for state, count in states.items())
    return (
        f"Study {study.data.tags['study']}: {objective}, {len(rows)} trials ({counts or 'none'})."
    )


def _show_trials(rows: Sequence["Row"], sort: str | None) -> None:
    from rnnexp.cli.tables import say, show
    from rnnexp.compare import columns_of
    from rnnexp.difference import differing
    from rnnexp.figures import figure

    names = columns_of(rows[0])
    by = (sort or "").removeprefix("-")
    if by and by not in names:
        names.insert(2, by)
    differ = differing([{name: row[name] for name in names} for row in rows])
    same = {n: rows[0][n] for n in names if n not in differ and rows[0][n] is not None}
    if len(rows) > 1 and same:
        say(f"The same in all: {' '.join(f'{n}={figure(v)}' for n, v in same.items())}.")
    wanted = [n for n in names if n in differ or (len(rows) == 1 and n in same)]
    styles = [_STYLES.get(str(row["state"]), "") for row in rows]
    show([_column(name, rows) for name in wanted], styles)


def _column(name: str, rows: Sequence["Row"]) -> "Column":
    from rnnexp.cli.tables import Column
    from rnnexp.figures import figure

    values = [row[name] for row in rows]
    cells = [figure(value) for value in values]
    return Column(
        name, cells, left=any(isinstance(v, str) for v in values), flexible=name == "reason"
    )
