"""``rnnexp continue``: a trial trained longer, from its best epoch on."""

import click

from rnnexp.cli.options import JSON, TRACKING, TRUST
from rnnexp.cli.process import exit_interrupted, import_from_working_directory
from rnnexp.cli.tables import Column, print_json, print_table
from rnnexp.formatting import format_value
from rnnexp.storage.schema import Metrics, Tags


@click.command("continue")
@click.argument("run")
@click.option("--epochs", type=click.IntRange(min=1), required=True, help="The number of epochs.")
@TRUST
@JSON
@TRACKING
def continue_run(
    run: str, epochs: int, trust: bool, as_json: bool, tracking_uri: str | None
) -> None:
    """Train a run for more epochs, from its best epoch on.

    The training goes on from the run's checkpoint, with the run's config and on the same data, as a
    new run next to the old one. The study stays as it is.

    RUN is STUDY/NUMBER of a trial that has ended, or the id of a run in MLflow or its beginning.
    """
    # Imported here, as in every command: `--help` needs no MLflow, whose import takes seconds.
    from rnnexp.reproduce.continuation import continue_run as train_on
    from rnnexp.storage.run_reader import RunReader

    import_from_working_directory()
    reader = RunReader(tracking_uri, trust=trust)
    original = reader.run(run)
    click.echo(f"training {original.info.run_name} for {epochs} more epochs", err=True)
    try:
        result = train_on(reader, original, epochs)
    except KeyboardInterrupt:
        exit_interrupted("the new run was stopped, and the original run is unchanged")
    names = (Metrics.BEST_VALUE, Metrics.BEST_EPOCH, Metrics.EPOCHS)
    runs = {"run": result.original, "continued": result.continued}
    if as_json:
        rows = {
            head: {"id": one.info.run_id} | {name: one.data.metrics.get(name) for name in names}
            for head, one in runs.items()
        }
        print_json({**rows, "is_better": result.is_better})
        return
    columns = [Column("", ["id", Tags.STATE, *names], left=True)]
    for head, one in runs.items():
        cells = [one.info.run_id[:8], one.data.tags.get(Tags.STATE, "")]
        values = [one.data.metrics.get(name) for name in names]
        columns.append(Column(head, [*cells, *map(format_value, values)], left=True))
    print_table(columns)
    click.echo("better than before" if result.is_better else "not better than before")
