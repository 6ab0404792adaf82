"""Runs side by side on the terminal: results, config values that differ, curves of the epochs."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from rnnexp.cli.tables import Column, console, print_json, print_table, print_text
from rnnexp.compare.contenders import Contender, ranking_problems, winner_of
from rnnexp.compare.difference import config_values, differing, grouped
from rnnexp.compare.rows import RESULTS, Value
from rnnexp.compare.text_plot import Curve, plot
from rnnexp.formatting import format_column, format_value
from rnnexp.storage.run_reader import RunReader
from rnnexp.storage.schema import Metrics, Tags

_FACTS = (Tags.STATE, Tags.REASON, Tags.OBJECTIVE, Tags.DATA, "commit", "dirty", "version")
_PIPED_WIDTH = 100  # columns of a plot if the output is piped

Differences = Mapping[str, tuple[Value, ...]]  # by name, a value for each run


def show_side_by_side(reader: RunReader, compared: Sequence[Contender], *, as_json: bool) -> None:
    """Print runs side by side.

    Args:
        reader: The store of the runs.
        compared: The runs.
        as_json: Print JSON on one line instead.

    Raises:
        NotFoundError: If a run has no config, such as the run of another program.
    """
    configs = [config_values(one.run, reader.config(one.run)) for one in compared]
    differ = differing(configs)
    problems = ranking_problems(compared)
    curves = _curves(reader, compared)
    if as_json:
        print_json({"not_ranked": problems, "runs": _as_json(compared, differ, curves)})
        return
    if problems:
        print_text(f"Not ranked: {'; '.join(problems)}.", "yellow")
    elif winner := winner_of(compared):
        print_text(f"{compared[0].objective}: {winner}.")
    _show_table(compared, differ)
    same = len({key for config in configs for key in config} - differ.keys())
    print_text(f"{same} other config values are the same in all.", "dim")
    out = console()
    width = out.width if out.is_terminal else _PIPED_WIDTH
    objectives = {one.objective.monitor: one.objective for one in compared if one.objective}
    for metric, lines in curves.items():
        if drawn := plot(lines, objectives[metric], width):
            click.echo(f"\n{drawn}")


def _curves(reader: RunReader, compared: Sequence[Contender]) -> dict[str, dict[int, Curve]]:
    """Return the curves of the monitored metrics: by metric, then by the place of the run."""
    monitored = dict.fromkeys(one.objective.monitor for one in compared if one.objective)
    return {
        metric: {
            n: reader.epochs(one.run, metric)
            for n, one in enumerate(compared)
            if metric in one.run.data.metrics
        }
        for metric in monitored
    }


def _show_table(compared: Sequence[Contender], differ: Differences) -> None:
    tests = dict.fromkeys(name for one in compared for name in one.test)
    names = (Metrics.BEST_VALUE, *RESULTS)
    results = {name: [one.row[name] for one in compared] for name in names}
    results |= {name: [one.test.get(name) for one in compared] for name in tests}
    rows = [
        (name, format_column(values, 1 if name == Metrics.SECONDS else None), "")
        for name, values in results.items()
        if any(value is not None for value in values)
    ]
    facts = differing([{name: _fact(one, name) for name in _FACTS} for one in compared])
    for values in (differ, facts):
        rows += [
            (name, [format_value(value, absent="-") for value in values[name]], ", ".join(others))
            for name, others in grouped(values).items()
        ]
    heads, cells, likewise = zip(*rows, strict=True)
    columns = [Column(one.title, [row[n] for row in cells]) for n, one in enumerate(compared)]
    if any(likewise):
        columns.append(Column("likewise", list(likewise), left=True, flexible=True))
    print_table([Column("", list(heads), left=True), *columns])


def _fact(one: Contender, name: str) -> Value:
    return _objective(one) if name == Tags.OBJECTIVE else one.row[name]


def _objective(one: Contender) -> str | None:
    return str(one.objective) if one.objective else None


def _as_json(
    compared: Sequence[Contender],
    differ: Differences,
    curves: Mapping[str, Mapping[int, Curve]],
) -> list[dict[str, Any]]:
    return [
        {
            "name": one.name,
            "run_id": one.run.info.run_id,
            Tags.OBJECTIVE: _objective(one),
            Tags.STATE: one.row[Tags.STATE],
            "metrics": one.run.data.metrics | one.test,
            "settings": {key: values[n] for key, values in differ.items()},
            "curves": {metric: lines[n] for metric, lines in curves.items() if n in lines},
        }
        for n, one in enumerate(compared)
    ]
