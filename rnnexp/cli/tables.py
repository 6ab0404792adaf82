"""Tables that fit the terminal, or are plain and complete if the output is piped."""

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

_GAP = 2  # characters between two columns
_MIN_FLEXIBLE = 16  # characters that a flexible column keeps


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: The column's head.
        cells: The texts from top to bottom.
        left: Whether the texts are aligned on the left, as words are; numbers are on the right.
        flexible: Whether a terminal cuts the texts to the width that the other columns leave.
    """

    name: str
    cells: list[str] = field(default_factory=list)
    left: bool = False
    flexible: bool = False

    @property
    def width(self) -> int:
        """Width of the widest cell, in characters of a terminal."""
        return max(map(cell_len, (self.name, *self.cells)))

    @property
    def min_width(self) -> int:
        """The smallest width to which a terminal may cut the column."""
        return min(self.width, _MIN_FLEXIBLE) if self.flexible else self.width

    def padded(self) -> list[str]:
        """Return the head and the cells, all of the same width."""
        width = self.width
        blanks = [(text, " " * (width - cell_len(text))) for text in (self.name, *self.cells)]
        return [text + blank if self.left else blank + text for text, blank in blanks]


def console() -> Console:
    """Return a console of the current standard output."""
    return Console(file=sys.stdout, highlight=False)


def print_text(text: str, style: str = "") -> None:
    """Print a sentence, wrapped if the output is a terminal."""
    out = console()
    out.print(Text(text, style), soft_wrap=not out.is_terminal)


def print_table(columns: Sequence[Column], styles: Sequence[str] = ()) -> None:
    """Print a table.

    On a terminal, columns that don't fit are left out from the right, and named below the table.

    Args:
        columns: The columns from left to right; the first is always shown.
        styles: The style of each row; empty for none.
    """
    out = console()
    if not out.is_terminal:
        click.echo(_plain(columns))
        return
    fitting = _fitting(columns, out.width)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    free = out.width - sum(c.width + _GAP for c in fitting if not c.flexible)
    for column in fitting:
        table.add_column(
            Text(column.name),
            justify="left" if column.left else "right",
            no_wrap=True,
            overflow="ellipsis",
            max_width=max(free, 1) if column.flexible else None,
        )
    for n in range(len(columns[0].cells)):
        style = styles[n] if styles else ""
        table.add_row(*(Text(column.cells[n]) for column in fitting), style=style)
    out.print(table)
    if hidden := [column.name for column in columns if column not in fitting]:
        print_text(
            f"The terminal is too narrow for {', '.join(hidden)}: widen it, or pipe the output to "
            "less -S.",
            "dim",
        )


def _plain(columns: Sequence[Column]) -> str:
    lines = zip(*(column.padded() for column in columns), strict=True)
    return "\n".join((" " * _GAP).join(line).rstrip() for line in lines)


def _fitting(columns: Sequence[Column], width: int) -> list[Column]:
    kept = list(columns)
    while len(kept) > 1 and sum(column.min_width + _GAP for column in kept) - _GAP > width:
        kept.pop()
    return kept


def print_json(content: object) -> None:
    """Print JSON on one line, with null for numbers that JSON does not have, such as NaN."""
    click.echo(json.dumps(_finite(content), ensure_ascii=False))


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _finite(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
