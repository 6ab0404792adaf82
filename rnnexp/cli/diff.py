"""``rnnexp diff``: in what two runs differ."""

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from rnnexp.cli.options import JSON, TRACKING

if TYPE_CHECKING:
    from rnnexp.compare.contenders import Contender
    from rnnexp.compare.rows import Value
    from rnnexp.storage.run_reader import RunReader


@click.command()
@click.argument("first", metavar="RUN")
@click.argument("second", metavar="RUN")
@TRACKING
@JSON
def diff(first: str, second: str, tracking_uri: str | None, as_json: bool) -> None:
    """Show in what two runs differ: config, data, code, packages, machine; only what differs.

    RUN is the beginning of a run's id, or STUDY/NUMBER of a trial; a study's name stands for its
    best trial. Folders of the runs' own don't count as a difference.
    """
    # Imported here, since `--help` needs no MLflow.
    from rnnexp.cli.tables import print_json
    from rnnexp.compare.contenders import contenders
    from rnnexp.compare.difference import differing
    from rnnexp.storage.run_reader import RunReader

    reader = RunReader(tracking_uri)
    found = [contenders(reader, [reader.study_or_run(name)])[0] for name in (first, second)]
    sides = [_sections(reader, one) for one in found]
    # What only one of them has noted can't be compared.
    noted = [name for name in sides[0] if all(side[name] for side in sides)]
    differ = {name: differing([side[name] for side in sides]) for name in noted}
    unknown = [name for name in sides[0] if any(side[name] for side in sides) and name not in noted]
    if as_json:
        ids = [one.run.info.run_id for one in found]
        print_json({"runs": ids, "unknown": unknown, **differ})
    else:
        _show([one.name for one in found], differ, unknown)


def _sections(reader: "RunReader", one: "Contender") -> dict[str, dict[str, "Value"]]:
    from rnnexp.compare.difference import flattened, settings_of

    tags = one.run.data.tags
    environment = reader.environment(one.run) or {}
    config = settings_of(one.run, reader.config(one.run))
    machine = {name: environment[name] for name in ("machine", "threads") if name in environment}
    packages = {name: environment[name] for name in ("python", "packages") if name in environment}
    return {
        "config": config,
        "data": _there({"fingerprint": tags.get("data")}),
        "code": _there(
            {
                "version": tags.get("rnnexp.version"),
                "commit": tags.get("mlflow.source.git.commit"),
                "dirty": tags.get("git.dirty"),
            }
        ),
        "seed": {} if "seed" in config else _there({"seed": tags.get("seed")}),
        "packages": {key.removeprefix("packages."): v for key, v in flattened(packages).items()},
        "machine": {key.removeprefix("machine."): v for key, v in flattened(machine).items()},
    }


def _there(facts: dict[str, str | None]) -> dict[str, "Value"]:
    return {name: value for name, value in facts.items() if value is not None}


def _show(
    names: list[str], differ: dict[str, dict[str, tuple["Value", ...]]], unknown: list[str]
) -> None:
    from rnnexp.cli.tables import Column, say, show
    from rnnexp.compare.difference import together
    from rnnexp.formatting import format_exact

    rows = [
        (section, key, *map(format_exact, found[key]), ", ".join(others))
        for section, found in differ.items()
        for key, others in together(found).items()
    ]
    if rows:
        heads = ("", "", *names, "likewise")
        cells = [list(column) for column in zip(*rows, strict=True)]
        columns = [Column(head, of, left=True) for head, of in zip(heads, cells, strict=True)]
        likewise = replace(columns.pop(), flexible=True)
        show([*columns, likewise] if any(likewise.cells) else columns)
    else:
        say("no difference")
    if unknown:
        say(f"Only one of them has noted its {', '.join(unknown)}: not compared.", "yellow")
