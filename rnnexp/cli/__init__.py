"""The command ``rnnexp``: looks at what sweeps have left, and makes use of it."""

from typing import Any

import click

from rnnexp.cli.compare import compare
from rnnexp.cli.diff import diff
from rnnexp.cli.export import export, publish
from rnnexp.cli.maintenance import check, deliver
from rnnexp.cli.report import report
from rnnexp.cli.reproduce import confirm, replay
from rnnexp.cli.studies import studies
from rnnexp.errors import RnnexpError


class _Group(click.Group):
    """Says what is wrong in a line, as Hydra does of a sweep, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RnnexpError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group)
def main() -> None:
    """Look at the studies that sweeps have left, and use what they found."""


for _command in (
    studies, compare, diff, report, replay, confirm, export, publish, check, deliver
):  # fmt: skip
    main.add_command(_command)
