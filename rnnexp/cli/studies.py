"""``rnnexp studies``: a table of the studies in a store, with their results."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from rnnexp.cli.options import JSON, TRACKING
from rnnexp.cli.tables import Column, print_json, print_table, print_text
from rnnexp.formatting import format_column, format_seconds, format_value
from rnnexp.storage.schema import Metrics, Tags, run_problem

if TYPE_CHECKING:
    from mlflow.entities import Run

_STATES = ("complete", "pruned", "fail", "paused")
_IF_ANY = "paused"  # a column that is shown where a study has such trials
_SCHEMA = "schema"  # JSON key
_UNREADABLE = {  # results of a study of another schema version
    Metrics.SECONDS: None,
    Tags.STATE: None,
    "trials": dict.fromkeys(_STATES),
    Tags.OBJECTIVE: None,
    Metrics.BEST_VALUE: None,
    Metrics.BEST_TRIAL: None,
    "test": {},
}


@click.command()
@TRACKING
@JSON
def studies(tracking_uri: str | None, as_json: bool) -> None:
    """List the studies, newest first.

    Each row shows the objective of a study, how many of its trials ended in which state, its best
    trial, how long it took, and the metrics of the best trial on the test part.
    """
    # Imported here, as in every command: `--help` needs no MLflow, whose import takes seconds.
    from rnnexp.storage.run_reader import RunReader

    reader = RunReader(tracking_uri)
    rows = [_facts(run) for run in reader.studies()]
    if as_json:
        print_json(rows)
    elif rows:
        _show(rows)
    else:
        print_text(f"There are no studies in {reader.uri}.")


def _facts(run: "Run") -> dict[str, Any]:
    from rnnexp.compare.rows import value_of

    info, tags = run.info, run.data.tags
    began = datetime.fromtimestamp(info.start_time / 1000, UTC)
    return {
        Tags.STUDY: tags.get(Tags.STUDY, info.run_name),
        "run_id": info.run_id,
        _SCHEMA: value_of(tags.get(Tags.SCHEMA)),
        "began": began.isoformat(timespec="seconds"),
        **(_UNREADABLE if run_problem(tags) else _results(run)),
    }


def _results(run: "Run") -> dict[str, Any]:
    from rnnexp.storage.run_reader import objective_of

    info, metrics, objective = run.info, run.data.metrics, objective_of(run)
    now = datetime.now(UTC).timestamp() * 1000
    best = metrics.get(Metrics.BEST_TRIAL)
    return {
        Metrics.SECONDS: ((info.end_time or now) - info.start_time) / 1000,
        Tags.STATE: info.status,
        "trials": {state: int(metrics.get(f"{Metrics.TRIALS}{state}", 0)) for state in _STATES},
        Tags.OBJECTIVE: objective and str(objective),
        Metrics.BEST_VALUE: metrics.get(Metrics.BEST_VALUE),
        Metrics.BEST_TRIAL: None if best is None else int(best),
        "test": {name: value for name, value in metrics.items() if name.startswith(Metrics.TEST)},
    }


def _show(rows: list[dict[str, Any]]) -> None:
    def column(name: str, *, left: bool = False) -> Column:
        return Column(name, [format_value(row[name]) for row in rows], left=left)

    began = [datetime.fromisoformat(row["began"]).astimezone() for row in rows]
    best_values = format_column(row[Metrics.BEST_VALUE] for row in rows)
    tests = dict.fromkeys(name for row in rows for name in row["test"])
    states = [s for s in _STATES if s != _IF_ANY or any(row["trials"][s] for row in rows)]
    print_table(
        [
            column(Tags.STUDY, left=True),
            Column("when", [f"{moment:%Y-%m-%d %H:%M}" for moment in began]),
            Column(Tags.STATE, [_state(row) for row in rows], left=True),
            *(Column(s, [format_value(row["trials"][s]) for row in rows]) for s in states),
            column(Tags.OBJECTIVE, left=True),
            Column(Metrics.BEST_VALUE, best_values),
            column(Metrics.BEST_TRIAL),
            Column("took", [_duration(row[Metrics.SECONDS]) for row in rows]),
            *(Column(name, format_column(row["test"].get(name) for row in rows)) for name in tests),
        ]
    )


def _state(row: dict[str, Any]) -> str:
    return row[Tags.STATE] or f"schema version {row[_SCHEMA]}, not readable"


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else format_seconds(seconds)
