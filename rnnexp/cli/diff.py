"""``rnnexp diff``: the differences between two runs."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from rnnexp.cli.options import JSON, TRACKING
from rnnexp.cli.tables import Column, print_json, print_table, print_text
from rnnexp.formatting import format_exact
from rnnexp.storage.schema import Tags

if TYPE_CHECKING:
    from rnnexp.compare.contenders import Contender
    from rnnexp.compare.rows import Value
    from rnnexp.storage.run_reader import RunReader

Sections = dict[str, dict[str, "Value"]]  # facts by name, by what they are about
Differences = dict[str, dict[str, tuple["Value", ...]]]  # the same, with a value for each run


@click.command()
@click.argument("first", metavar="RUN")
@click.argument("second", metavar="RUN")
@TRACKING
@JSON
def diff(first: str, second: str, tracking_uri: str | None, as_json: bool) -> None:
    """Show only what differs between two runs.

    Compared are the config, the data, the code, the versions of packages and the machine. Folders
    that belong to one run, or to its sweep, don't count as a difference.

    RUN is STUDY/NUMBER of a trial, the id of a run in MLflow, or the name of a study for its best
    trial. The beginning of a name or of an id is enough if it is unique.
    """
    # Imported here, as in every command: `--help` needs no MLflow, whose import takes seconds.
    from rnnexp.compare.contenders import contenders
    from rnnexp.compare.difference import differing
    from rnnexp.storage.run_reader import RunReader

    reader = RunReader(tracking_uri)
    runs = [contenders(reader, [reader.study_or_run(name)])[0] for name in (first, second)]
    sides = [_sections(reader, run) for run in runs]
    stored = [section for section in sides[0] if all(side[section] for side in sides)]
    differ = {section: differing([side[section] for side in sides]) for section in stored}
    # What only one run has stored can't be compared.
    unknown = [
        section
        for section in sides[0]
        if section not in stored and any(side[section] for side in sides)
    ]
    if as_json:
        ids = [run.run.info.run_id for run in runs]
        print_json({"runs": ids, "unknown": unknown, **differ})
    else:
        _show([run.name for run in runs], differ, unknown)


def _sections(reader: "RunReader", contender: "Contender") -> Sections:
    from rnnexp.compare.difference import config_values, flattened

    tags = contender.run.data.tags
    environment = reader.environment(contender.run) or {}
    config = config_values(contender.run, reader.config(contender.run))
    machine = {name: environment[name] for name in ("machine", "threads") if name in environment}
    packages = {name: environment[name] for name in ("python", "packages") if name in environment}
    code = {"version": Tags.VERSION, "commit": Tags.COMMIT, "dirty": Tags.DIRTY}
    return {
        "config": config,
        Tags.DATA: _stored(tags, {"fingerprint": Tags.DATA}),
        "code": _stored(tags, code),
        Tags.SEED: {} if Tags.SEED in config else _stored(tags, {Tags.SEED: Tags.SEED}),
        "packages": {key.removeprefix("packages."): v for key, v in flattened(packages).items()},
        "machine": {key.removeprefix("machine."): v for key, v in flattened(machine).items()},
    }


def _stored(tags: Mapping[str, str], names: Mapping[str, str]) -> "dict[str, Value]":
    """Return the tags that a run has, by other names."""
    return {name: tags[tag] for name, tag in names.items() if tag in tags}


def _show(names: list[str], differ: Differences, unknown: list[str]) -> None:
    from rnnexp.compare.difference import grouped

    rows = [
        (section, key, *map(format_exact, values[key]), ", ".join(others))
        for section, values in differ.items()
        for key, others in grouped(values).items()
    ]
    if rows:
        heads = ("", "", *names, "likewise")
        cells = [list(column) for column in zip(*rows, strict=True)]
        columns = [Column(head, texts, left=True) for head, texts in zip(heads, cells, strict=True)]
        likewise = replace(columns.pop(), flexible=True)
        print_table([*columns, likewise] if any(likewise.cells) else columns)
    else:
        print_text("no difference")
    if unknown:
        print_text(
            f"Not compared, since only one of the runs has stored it: {', '.join(unknown)}.",
            "yellow",
        )
