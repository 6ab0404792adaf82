"""``rnnexp replay`` and ``confirm``: archived runs trained again."""

import json
import math
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from rnnexp.cli.options import JSON, TRACKING

if TYPE_CHECKING:
    from rnnexp.reproduce.confirm import Confirmation
    from rnnexp.reproduce.replay import Replay


@click.command()
@click.argument("run")
@JSON
@TRACKING
def replay(run: str, as_json: bool, tracking_uri: str | None) -> None:
    """Train RUN's config on the same data again, and compare.

    RUN is a run's id, its beginning, or STUDY/NUMBER. With `deterministic=true` in its config, on
    the same machine, the metrics of all epochs are equal to the last bit.
    """
    from rnnexp.reproduce.replay import notes
    from rnnexp.reproduce.replay import replay as train
    from rnnexp.storage.run_reader import RunReader

    _find_own_modules()
    reader = RunReader(tracking_uri)
    original = reader.run(run)
    told = list(notes(reader, original))
    for note in told:
        click.echo(f"note: {note}", err=True)
    click.echo(f"training {original.info.run_name} again", err=True)
    try:
        done = train(reader, original)
    except KeyboardInterrupt:
        _interrupted("the new run has been ended, the old one is as it was")
    if as_json:
        click.echo(json.dumps(_replay_json(done, told)))
    else:
        _show_replay(done)


@click.command()
@click.argument("study")
@click.option("--top", type=click.IntRange(1), default=3, show_default=True, help="How many.")
@click.option(
    "--seeds", type=click.IntRange(1), default=5, show_default=True, help="Over how many seeds."
)
@click.option("--n-jobs", type=click.IntRange(1), help="At once; by default one a core.")
@JSON
@TRACKING
def confirm(
    study: str, top: int, seeds: int, n_jobs: int | None, as_json: bool, tracking_uri: str | None
) -> None:
    """Train the leaders of STUDY again over seeds it never saw.

    The lead survives if, paired by seed, the leader is better than every other by more than two
    standard errors on average. Seeds that a leader was trained over before are not trained again.
    """
    from rnnexp.reproduce.confirm import Confirmation
    from rnnexp.storage.run_reader import RunReader

    _find_own_modules()
    reader = RunReader(tracking_uri)
    found = Confirmation(reader, reader.study(study), top, seeds)
    if len(found.leaders) < top:
        click.echo(f"there are no more than {len(found.leaders)} complete settings", err=True)
    total = len(found.leaders) * len(found.seeds)
    known = total - len(found.left)
    click.echo(
        f"{len(found.leaders)} settings over seeds {', '.join(map(str, found.seeds))}: "
        f"{len(found.left)} trainings" + (f", {known} are there already" if known else ""),
        err=True,
    )
    try:
        for done, (leader, seed, trained) in enumerate(found.run(n_jobs=n_jobs), start=1):
            came_out = f"failed: {trained.reason}"
            if trained.value is not None:
                came_out = f"{trained.value:.4f} at epoch {trained.best_epoch}"
            where = f"{done} of {len(found.left)}"
            click.echo(f"{where}: trial {leader.trial}, seed {seed}: {came_out}", err=True)
    except KeyboardInterrupt:
        _interrupted("what has ended counts; the same command trains the rest")
    found.write()
    if as_json:
        click.echo(json.dumps(_confirm_json(found)))
    else:
        _show_confirm(found)


def _find_own_modules() -> None:
    """As ``python sweep.py`` does: a model of one's own is a module in the folder."""
    if "" not in sys.path:
        sys.path.insert(0, "")


def _interrupted(what: str) -> NoReturn:
    click.echo(f"interrupted; {what}", err=True)
    sys.exit(130)  # as a shell has it


def _show_replay(done: "Replay") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    for title in ("", "run", "replay"):
        table.add_column(title)
    runs = (done.original, done.again)
    table.add_row("id", *(run.info.run_id[:8] for run in runs))
    table.add_row("state", *(run.data.tags.get("state", "") for run in runs))
    for name in ("best_value", "best_epoch"):
        table.add_row(name, *(_metric(run.data.metrics.get(name)) for run in runs))
    table.add_row("epochs", *map(str, done.epochs))
    Console().print(table)
    click.echo(_equality(done))


def _metric(value: float | None) -> str:
    return "" if value is None else repr(int(value) if float(value).is_integer() else value)


def _equality(done: "Replay") -> str:
    common = min(done.epochs)
    if not common:
        return "there is no epoch that both have"
    if not (apart := done.difference):
        return f"equal: every metric of {common} epochs, to the last bit"
    first, second = apart.values
    return (
        f"not equal: from epoch {apart.epoch} on, where {apart.metric} was {first!r} and is "
        f"{second!r}; the largest difference of any metric is {apart.largest:.2g}"
    )


def _replay_json(done: "Replay", notes: list[str]) -> dict[str, Any]:
    runs = {"run": done.original, "replay": done.again}
    return {
        **{
            name: {
                "id": run.info.run_id,
                "best_value": run.data.metrics.get("best_value"),
                "best_epoch": run.data.metrics.get("best_epoch"),
                "epochs": epochs,
            }
            for (name, run), epochs in zip(runs.items(), done.epochs, strict=True)
        },
        "equal": None if not min(done.epochs) else done.difference is None,
        "differs_from_epoch": done.difference.epoch if done.difference else None,
        "largest_difference": done.difference.largest if done.difference else None,
        "notes": notes,
    }


def _show_confirm(found: "Confirmation") -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None)
    titles = ("trial", "setting", "search", "mean", "std")
    for title in (*titles, *(f"seed {seed}" for seed in found.seeds)):
        table.add_column(title, justify="left" if title == "setting" else "right")
    for leader in found.leaders:
        numbers = [leader.searched, leader.mean, leader.deviation]
        numbers += [leader.values.get(seed, math.nan) for seed in found.seeds]
        name = escape(str(leader.run.info.run_name))
        shown = ("" if math.isnan(number) else f"{number:.4f}" for number in numbers)
        table.add_row(str(leader.trial), name, *shown)
    Console().print(table)
    click.echo(found.verdict())


def _confirm_json(found: "Confirmation") -> dict[str, Any]:
    def number(value: float) -> float | None:
        return None if math.isnan(value) else value

    return {
        "seeds": found.seeds,
        "leaders": [
            {
                "trial": leader.trial,
                "run": leader.run.info.run_id,
                "setting": leader.run.data.params,
                "search_value": leader.searched,
                "mean": number(leader.mean),
                "std": number(leader.deviation),
                "values": dict(sorted(leader.values.items())),
            }
            for leader in found.leaders
        ],
        "leads": [
            {"over": other.trial, "mean": number(one.mean), "standard_error": number(one.error)}
            for other, one in zip(found.leaders[1:], found.leads(), strict=True)
        ],
        "survives": found.survives,
        "verdict": found.verdict(),
    }
