"""``rnnexp deliver``: the writes that were queued while MLflow was unreachable."""

import sys
from pathlib import Path

import click

from rnnexp.storage.outbox import deliver_all


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def deliver(folder: Path) -> None:
    """Deliver the writes that were queued for MLflow.

    While MLflow's server is unreachable, a sweep queues its writes in files. Every queue below
    FOLDER is delivered, except those of runs that are still running, which deliver their own.

    The exit code is 1 if writes are still queued.
    """
    delivered, queued = deliver_all(folder)
    click.echo(
        f"delivered the queued writes of {delivered} runs; writes of {queued} runs are still queued"
    )
    sys.exit(1 if queued else 0)
