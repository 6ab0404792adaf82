"""``rnnexp deliver``: the writes that were queued while MLflow was unreachable."""

import sys
from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def deliver(folder: Path) -> None:
    """Deliver the writes that were queued for MLflow.

    While MLflow's server is unreachable, a sweep queues its writes in files. Every queue below
    FOLDER is delivered, except those of runs that are still running, which deliver their own.
    Writes that MLflow has refused, such as a file that was too large, are tried again.

    The exit code is 1 if writes are still queued or refused.
    """
    # Imported here, as in every command: `--help` needs no MLflow, whose import takes seconds.
    from rnnexp.storage.outbox import deliver_all
    from rnnexp.storage.refused_writes import deliver_refused

    delivered, queued = deliver_all(folder)
    refused = deliver_refused(folder)
    click.echo(
        f"delivered the queued writes of {delivered} runs; writes of {queued} runs are still queued"
    )
    if refused:
        click.echo(f"{len(refused)} writes were refused:")
    for problem in refused:
        click.echo(f"  {problem}")
    sys.exit(1 if queued or refused else 0)
