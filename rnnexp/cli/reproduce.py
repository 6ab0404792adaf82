"""``rnnexp replay`` and ``confirm``: runs trained again."""

import math
import sys
from typing import Any, NoReturn

import click

from rnnexp.cli.options import JSON, TRACKING
from rnnexp.cli.tables import Column, print_json, print_table
from rnnexp.reproduce.confirm import Confirmation
from rnnexp.reproduce.replay import Replay, notes
from rnnexp.reproduce.replay import replay as train_again
from rnnexp.storage.run_reader import RunReader
from rnnexp.storage.schema import Metrics, Tags


@click.command()
@click.argument("run")
@JSON
@TRACKING
def replay(run: str, as_json: bool, tracking_uri: str | None) -> None:
    """Train a run again and compare the results.

    The run's config is trained on the same data as a new run. If the config has
    `deterministic=true`, the metrics of all epochs are equal to the last bit on the same machine.

    RUN is STUDY/NUMBER of a trial, or the id of a run in MLflow or its beginning.
    """
    _import_from_working_directory()
    reader = RunReader(tracking_uri)
    original = reader.run(run)
    remarks = list(notes(reader, original))
    for remark in remarks:
        click.echo(f"note: {remark}", err=True)
    click.echo(f"training {original.info.run_name} again", err=True)
    try:
        result = train_again(reader, original)
    except KeyboardInterrupt:
        _exit_interrupted("the new run was stopped, and the original run is unchanged")
    if as_json:
        print_json(_replay_json(result, remarks))
    else:
        _show_replay(result)


@click.command()
@click.argument("study")
@click.option(
    "--top",
    type=click.IntRange(1),
    metavar="N",
    default=3,
    show_default=True,
    help="The number of best trials, each with other params.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    metavar="N",
    default=5,
    show_default=True,
    help="The number of seeds.",
)
@click.option(
    "--n-jobs",
    type=click.IntRange(1),
    metavar="N",
    help="The number of trainings at the same time; by default the number of cores.",
)
@JSON
@TRACKING
def confirm(
    study: str, top: int, seeds: int, n_jobs: int | None, as_json: bool, tracking_uri: str | None
) -> None:
    """Train the best trials of a study again with new seeds.

    The margin of the best trial over another, compared seed by seed, survives if its mean is
    larger than two standard errors. A trial is not trained again with a seed that it was confirmed
    with before. STUDY is the name of a study, or its beginning if that is unique.
    """
    _import_from_working_directory()
    reader = RunReader(tracking_uri)
    confirmation = Confirmation(reader, reader.study(study), top, seeds)
    n_leaders = len(confirmation.leaders)
    if n_leaders < top:
        click.echo(f"the study has complete trials of only {n_leaders} different params", err=True)
    n_pending = len(confirmation.pending)
    done_before = n_leaders * len(confirmation.seeds) - n_pending
    click.echo(
        f"{n_leaders} trials, seeds {', '.join(map(str, confirmation.seeds))}: "
        f"{n_pending} trainings" + (f", {done_before} were done before" if done_before else ""),
        err=True,
    )
    try:
        _train_pending(confirmation, n_pending, n_jobs)
    except KeyboardInterrupt:
        _exit_interrupted("completed trainings are stored; the same command trains the others")
    confirmation.write()
    if as_json:
        print_json(_confirm_json(confirmation))
    else:
        _show_confirm(confirmation)


def _train_pending(confirmation: Confirmation, n_pending: int, n_jobs: int | None) -> None:
    for n, (leader, seed, trained) in enumerate(confirmation.run(n_jobs=n_jobs), start=1):
        outcome = f"failed: {trained.reason}"
        if trained.value is not None:
            outcome = f"{trained.value:.4f} at epoch {trained.best_epoch}"
        click.echo(f"{n} of {n_pending}: trial {leader.trial}, seed {seed}: {outcome}", err=True)


def _import_from_working_directory() -> None:
    """Let a user's own modules be imported, as ``python sweep.py`` does."""
    if "" not in sys.path:
        sys.path.insert(0, "")


def _exit_interrupted(state: str) -> NoReturn:
    click.echo(f"interrupted; {state}", err=True)
    sys.exit(130)  # the exit code that a shell gives to Ctrl-C


def _show_replay(result: Replay) -> None:
    names = ("id", Tags.STATE, Metrics.BEST_VALUE, Metrics.BEST_EPOCH, Metrics.EPOCHS)
    columns = [Column("", list(names), left=True)]
    runs = (("run", result.original), ("replay", result.replayed))
    for (head, run), epochs in zip(runs, result.epochs, strict=True):
        cells = [run.info.run_id[:8], run.data.tags.get(Tags.STATE, "")]
        cells += [_exact(run.data.metrics.get(name)) for name in names[2:4]]
        columns.append(Column(head, [*cells, str(epochs)], left=True))
    print_table(columns)
    click.echo(_equality(result))


def _exact(value: float | None) -> str:
    return "" if value is None else repr(int(value) if float(value).is_integer() else value)


def _equality(result: Replay) -> str:
    common = min(result.epochs)
    if not common:
        return "not compared: there is no epoch that both runs have"
    if not (difference := result.difference):
        return f"equal: every metric of {common} epochs, to the last bit"
    first, second = difference.values
    return (
        f"not equal from epoch {difference.epoch} on: {difference.metric} was {first!r} and is "
        f"{second!r}; the largest difference of any metric is {difference.largest:.2g}"
    )


def _replay_json(result: Replay, remarks: list[str]) -> dict[str, Any]:
    difference = result.difference
    runs = {"run": result.original, "replay": result.replayed}
    return {
        **{
            name: {
                "id": run.info.run_id,
                Metrics.BEST_VALUE: run.data.metrics.get(Metrics.BEST_VALUE),
                Metrics.BEST_EPOCH: run.data.metrics.get(Metrics.BEST_EPOCH),
                Metrics.EPOCHS: epochs,
            }
            for (name, run), epochs in zip(runs.items(), result.epochs, strict=True)
        },
        "equal": None if not min(result.epochs) else difference is None,
        "differs_from_epoch": difference.epoch if difference else None,
        "largest_difference": difference.largest if difference else None,
        "notes": remarks,
    }


def _show_confirm(confirmation: Confirmation) -> None:
    leaders = confirmation.leaders
    columns = [
        Column(Tags.TRIAL, [str(leader.trial) for leader in leaders]),
        Column("params", [str(leader.run.info.run_name) for leader in leaders], left=True),
        Column("search", [_rounded(leader.searched) for leader in leaders]),
        Column("mean", [_rounded(leader.mean) for leader in leaders]),
        Column("std", [_rounded(leader.deviation) for leader in leaders]),
    ]
    for seed in confirmation.seeds:
        values = [leader.values.get(seed, math.nan) for leader in leaders]
        columns.append(Column(f"seed {seed}", list(map(_rounded, values))))
    print_table(columns)
    click.echo(confirmation.verdict())


def _rounded(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"


def _confirm_json(confirmation: Confirmation) -> dict[str, Any]:
    others = confirmation.leaders[1:]
    return {
        "seeds": confirmation.seeds,
        "leaders": [
            {
                Tags.TRIAL: leader.trial,
                "run": leader.run.info.run_id,
                "params": leader.run.data.params,
                "search_value": leader.searched,
                "mean": leader.mean,
                "std": leader.deviation,
                "values": dict(sorted(leader.values.items())),
            }
            for leader in confirmation.leaders
        ],
        "margins": [
            {"over": other.trial, "mean": one.mean, "standard_error": one.standard_error}
            for other, one in zip(others, confirmation.margins(), strict=True)
        ],
        "survives": confirmation.survives,
        "verdict": confirmation.verdict(),
    }
