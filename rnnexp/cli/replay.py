"""``rnnexp replay``: a run trained again, and compared with the original."""

from typing import TYPE_CHECKING, Any

import click

from rnnexp.cli.options import JSON, TRACKING, TRUST
from rnnexp.cli.process import exit_interrupted, import_from_working_directory
from rnnexp.cli.tables import Column, print_json, print_table
from rnnexp.storage.schema import Metrics, Tags

if TYPE_CHECKING:
    from rnnexp.reproduce.replay import Replay


@click.command()
@click.argument("run")
@TRUST
@JSON
@TRACKING
def replay(run: str, trust: bool, as_json: bool, tracking_uri: str | None) -> None:
    """Train a run again and compare the results.

    The run's config is trained on the same data as a new run. If the config has
    `deterministic=true`, the metrics of all epochs are equal to the last bit on the same machine.

    RUN is STUDY/NUMBER of a trial, or the id of a run in MLflow or its beginning.
    """
    # Imported here, as in every command: `--help` needs no MLflow, whose import takes seconds.
    from rnnexp.reproduce.replay import notes
    from rnnexp.reproduce.replay import replay as train_again
    from rnnexp.storage.run_reader import RunReader

    import_from_working_directory()
    reader = RunReader(tracking_uri, trust=trust)
    original = reader.run(run)
    remarks = list(notes(reader, original))
    for remark in remarks:
        click.echo(f"note: {remark}", err=True)
    click.echo(f"training {original.info.run_name} again", err=True)
    try:
        result = train_again(reader, original)
    except KeyboardInterrupt:
        exit_interrupted("the new run was stopped, and the original run is unchanged")
    if as_json:
        print_json(_replay_json(result, remarks))
    else:
        _show_replay(result)


def _show_replay(result: "Replay") -> None:
    names = ("id", Tags.STATE, Metrics.BEST_VALUE, Metrics.BEST_EPOCH, Metrics.EPOCHS)
    columns = [Column("", list(names), left=True)]
    runs = (("run", result.original), ("replay", result.replayed))
    for (head, run), epochs in zip(runs, result.epochs, strict=True):
        cells = [run.info.run_id[:8], run.data.tags.get(Tags.STATE, "")]
        cells += [_exact(run.data.metrics.get(name)) for name in names[2:4]]
        columns.append(Column(head, [*cells, str(epochs)], left=True))
    print_table(columns)
    click.echo(_equality(result))


def _exact(value: float | None) -> str:
    return "" if value is None else repr(int(value) if float(value).is_integer() else value)


def _equality(result: "Replay") -> str:
    common = min(result.epochs)
    if not common:
        return "not compared: there is no epoch that both runs have"
    if not (difference := result.difference):
        return f"equal: every metric of {common} epochs, to the last bit"
    first, second = difference.values
    return (
        f"not equal from epoch {difference.epoch} on: {difference.metric} was {first!r} and is "
        f"{second!r}; the largest difference of any metric is {difference.largest:.2g}"
    )


def _replay_json(result: "Replay", remarks: list[str]) -> dict[str, Any]:
    difference = result.difference
    runs = {"run": result.original, "replay": result.replayed}
    return {
        **{
            name: {
                "id": run.info.run_id,
                Metrics.BEST_VALUE: run.data.metrics.get(Metrics.BEST_VALUE),
                Metrics.BEST_EPOCH: run.data.metrics.get(Metrics.BEST_EPOCH),
                Metrics.EPOCHS: epochs,
            }
            for (name, run), epochs in zip(runs.items(), result.epochs, strict=True)
        },
        "equal": None if not min(result.epochs) else difference is None,
        "differs_from_epoch": difference.epoch if difference else None,
        "largest_difference": difference.largest if difference else None,
        "notes": remarks,
    }
