"""``rnnexp studies``: what has been searched, and what came out, a row a study."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from rnnexp.cli.options import JSON, TRACKING

if TYPE_CHECKING:
    from mlflow.entities import Run

_STATES = ("complete", "pruned", "fail")


@click.command()
@TRACKING
@JSON
def studies(tracking_uri: str | None, as_json: bool) -> None:
    """List the studies, newest first: what each searched for and found, and how long it took."""
    # Imported here, since `--help` needs no MLflow.
    from rnnexp.cli.tables import print_json, say
    from rnnexp.storage.run_reader import RunReader

    reader = RunReader(tracking_uri)
    found = [_facts(run) for run in reader.studies()]
    if as_json:
        print_json(found)
    elif found:
        _show(found)
    else:
        say(f"There are no studies in {reader.uri}.")


def _facts(run: "Run") -> dict[str, Any]:
    from rnnexp.compare.rows import objective_of

    info, metrics = run.info, run.data.metrics
    began = datetime.fromtimestamp(info.start_time / 1000, UTC)
    now = datetime.now(UTC).timestamp() * 1000
    best = metrics.get("best_trial")
    return {
        "study": run.data.tags["study"],
        "run_id": info.run_id,
        "began": began.isoformat(timespec="seconds"),
        "seconds": ((info.end_time or now) - info.start_time) / 1000,
        "state": info.status,
        "trials": {state: int(metrics.get(f"trials_{state}", 0)) for state in _STATES},
        "objective": objective_of(run),
        "best_value": metrics.get("best_value"),
        "best_trial": None if best is None else int(best),
        "test": {name: value for name, value in metrics.items() if name.startswith("test_")},
    }


def _show(found: list[dict[str, Any]]) -> None:
    from rnnexp.cli.tables import Column, show
    from rnnexp.formatting import format_column, format_seconds, format_value

    def column(name: str, *, left: bool = False) -> Column:
        return Column(name, [format_value(study[name]) for study in found], left=left)

    when = [datetime.fromisoformat(study["began"]).astimezone() for study in found]
    tests = dict.fromkeys(name for study in found for name in study["test"])
    show(
        [
            column("study", left=True),
            Column("when", [f"{moment:%Y-%m-%d %H:%M}" for moment in when]),
            column("state", left=True),
            *(Column(s, [str(study["trials"][s]) for study in found]) for s in _STATES),
            column("objective", left=True),
            Column("best_value", format_column(study["best_value"] for study in found)),
            column("best_trial"),
            Column("took", [format_seconds(study["seconds"]) for study in found]),
            *(
                Column(name, format_column(study["test"].get(name) for study in found))
                for name in tests
            ),
        ]
    )
