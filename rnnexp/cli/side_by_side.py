"""Runs side by side on the terminal: results, settings that differ, curves of the epochs."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from rnnexp.cli.tables import Column, console, print_json, say, show
from rnnexp.compare.contenders import Contender, obstacles, verdict
from rnnexp.compare.curves import Curve, plot
from rnnexp.compare.difference import differing, settings_of, together
from rnnexp.compare.rows import BEST, RESULTS, Value
from rnnexp.formatting import format_column, format_value
from rnnexp.storage.run_reader import RunReader

_FACTS = ("state", "reason", "objective", "data", "commit", "dirty", "version")
_PIPED = 100  # columns of a plot that is piped


def show_side_by_side(reader: RunReader, found: Sequence[Contender], *, as_json: bool) -> None:
    """Print runs side by side.

    Args:
        reader: Where they are.
        found: The runs.
        as_json: As JSON on one line instead.

    Raises:
        NotFoundError: If a run has no config, as of another program.
    """
    settings = [settings_of(one.run, reader.config(one.run)) for one in found]
    told = obstacles(found)
    curves = _curves(reader, found)
    if as_json:
        print_json(_as_json(found, settings, told, curves))
        return
    if told:
        say(f"Not ranked: {'; '.join(told)}.", "yellow")
    elif best := verdict(found):
        say(f"{found[0].objective}: {best}.")
    differ = differing(settings)
    _show_table(found, differ)
    alike = len({key for side in settings for key in side} - differ.keys())
    say(f"{alike} other settings are the same in all.", "dim")
    out = console()
    width = out.width if out.is_terminal else _PIPED
    for metric, lines in curves.items():
        if drawn := plot(lines, metric, width):
            click.echo(f"\n{drawn}")


def _curves(reader: RunReader, found: Sequence[Contender]) -> dict[str, dict[int, Curve]]:
    """By metric, of those that the objectives watch, the curve of each run that has one."""
    watched = dict.fromkeys(one.objective.partition(" ")[2] for one in found if one.objective)
    return {
        metric: {
            n: reader.epochs(one.run, metric)
            for n, one in enumerate(found)
            if metric in one.run.data.metrics
        }
        for metric in watched
    }


def _show_table(found: Sequence[Contender], settings: Mapping[str, tuple[Value, ...]]) -> None:
    tests = dict.fromkeys(name for one in found for name in one.test)
    measured = {name: [one.row[name] for one in found] for name in (BEST, *RESULTS)}
    measured |= {name: [one.test.get(name) for one in found] for name in tests}
    rows = [
        (name, format_column(values, 1 if name == "seconds" else None), "")
        for name, values in measured.items()
        if any(value is not None for value in values)
    ]
    facts = differing([{name: _fact(one, name) for name in _FACTS} for one in found])
    for differ in (settings, facts):
        rows += [
            (name, [format_value(value, absent="-") for value in differ[name]], ", ".join(others))
            for name, others in together(differ).items()
        ]
    names, cells, likewise = zip(*rows, strict=True)
    columns = [Column(one.title, [row[n] for row in cells]) for n, one in enumerate(found)]
    if any(likewise):
        columns.append(Column("likewise", list(likewise), left=True, flexible=True))
    show([Column("", list(names), left=True), *columns])


def _fact(one: Contender, name: str) -> Value:
    return one.objective or None if name == "objective" else one.row[name]


def _as_json(
    found: Sequence[Contender],
    settings: Sequence[Mapping[str, Value]],
    told: Sequence[str],
    curves: Mapping[str, Mapping[int, Curve]],
) -> dict[str, Any]:
    differ = differing(settings)
    return {
        "not_ranked": list(told),
        "runs": [
            {
                "name": one.name,
                "run_id": one.run.info.run_id,
                "objective": one.objective or None,
                "state": one.row["state"],
                "metrics": one.run.data.metrics | one.test,
                "settings": {key: values[n] for key, values in differ.items()},
                "curves": {metric: lines[n] for metric, lines in curves.items() if n in lines},
            }
            for n, one in enumerate(found)
        ],
    }
