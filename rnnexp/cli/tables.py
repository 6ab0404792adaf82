"""Tables on the terminal: within its width there, plain and uncut where the output is piped."""

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import click
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

_GAP = 2  # columns between two
_LEAST = 16  # of a text that gives way to the others


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: Its head.
        cells: Its texts, from the top.
        left: Whether they begin on the left, as words do; numbers end on the right.
        flexible: Whether it is cut, on a terminal, to what the others leave.
    """

    name: str
    cells: list[str] = field(default_factory=list)
    left: bool = False
    flexible: bool = False

    @property
    def width(self) -> int:
        """Of its widest text."""
        return max(map(cell_len, (self.name, *self.cells)))

    def padded(self) -> list[str]:
        """The head and the texts, all of one width."""
        width = self.width
        blanks = [(text, " " * (width - cell_len(text))) for text in (self.name, *self.cells)]
        return [text + blank if self.left else blank + text for text, blank in blanks]


def console() -> Console:
    """Of the standard output as it is now."""
    return Console(file=sys.stdout, highlight=False)


def say(text: str, style: str = "") -> None:
    """A line of words; on a terminal it is wrapped."""
    out = console()
    out.print(Text(text, style), soft_wrap=not out.is_terminal)


def show(columns: Sequence[Column], styles: Sequence[str] = ()) -> None:
    """Print a table.

    On a terminal, columns that don't fit are left out from the right, and named below.

    Args:
        columns: From the left; the first is always shown.
        styles: Of each row; empty for none.
    """
    out = console()
    if not out.is_terminal:
        click.echo(_plain(columns))
        return
    fitting = _fitting(columns, out.width)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    left = out.width - sum(c.width + _GAP for c in fitting if not c.flexible)
    for column in fitting:
        table.add_column(
            Text(column.name),
            justify="left" if column.left else "right",
            no_wrap=True,
            overflow="ellipsis",
            max_width=max(left, 1) if column.flexible else None,
        )
    for n in range(len(columns[0].cells)):
        style = styles[n] if styles else ""
        table.add_row(*(Text(column.cells[n]) for column in fitting), style=style)
    out.print(table)
    if hidden := [column.name for column in columns if column not in fitting]:
        say(f"Too narrow for {', '.join(hidden)}: widen it, or pipe it to less -S.", "dim")


def _plain(columns: Sequence[Column]) -> str:
    lines = zip(*(column.padded() for column in columns), strict=True)
    return "\n".join((" " * _GAP).join(line).rstrip() for line in lines)


def _fitting(columns: Sequence[Column], width: int) -> list[Column]:
    kept = list(columns)
    while len(kept) > 1 and sum(_room(column) + _GAP for column in kept) - _GAP > width:
        kept.pop()
    return kept


def _room(column: Column) -> int:
    return min(column.width, _LEAST) if column.flexible else column.width


def print_json(found: object) -> None:
    """JSON on one line; a number that JSON doesn't have is null."""
    click.echo(json.dumps(_finite(found), ensure_ascii=False))


def _finite(found: Any) -> Any:
    if isinstance(found, dict):
        return {name: _finite(value) for name, value in found.items()}
    if isinstance(found, list | tuple):
        return [_finite(value) for value in found]
    return None if isinstance(found, float) and not math.isfinite(found) else found
