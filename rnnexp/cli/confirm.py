"""``rnnexp confirm``: the best trials of a study, trained again with new seeds."""

import math
from typing import TYPE_CHECKING, Any

import click

from rnnexp.cli.options import JSON, TRACKING, TRUST
from rnnexp.cli.process import exit_interrupted, import_from_working_directory
from rnnexp.cli.tables import Column, print_json, print_table
from rnnexp.storage.schema import Tags

if TYPE_CHECKING:
    from rnnexp.reproduce.confirm import Confirmation


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
@TRUST
@JSON
@TRACKING
def confirm(
    study: str,
    top: int,
    seeds: int,
    n_jobs: int | None,
    trust: bool,
    as_json: bool,
    tracking_uri: str | None,
) -> None:
    """Train the best trials of a study again with new seeds.

    The margin of the best trial over another, compared seed by seed, survives if its mean is
    larger than two standard errors. A trial is not trained again with a seed that it was confirmed
    with before. STUDY is the name of a study, or its beginning if that is unique.
    """
    # Imported here, as in every command: `--help` needs no MLflow, whose import takes seconds.
    from rnnexp.reproduce.confirm import Confirmation
    from rnnexp.storage.run_reader import RunReader

    import_from_working_directory()
    reader = RunReader(tracking_uri, trust=trust)
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
        exit_interrupted("completed trainings are stored; the same command trains the others")
    confirmation.write()
    if as_json:
        print_json(_confirm_json(confirmation))
    else:
        _show_confirm(confirmation)


def _train_pending(confirmation: "Confirmation", n_pending: int, n_jobs: int | None) -> None:
    for n, (leader, seed, trained) in enumerate(confirmation.run(n_jobs=n_jobs), start=1):
        outcome = f"failed: {trained.reason}"
        if trained.value is not None:
            outcome = f"{trained.value:.4f} at epoch {trained.best_epoch}"
        click.echo(f"{n} of {n_pending}: trial {leader.trial}, seed {seed}: {outcome}", err=True)


def _show_confirm(confirmation: "Confirmation") -> None:
    leaders = confirmation.leaders
    columns = [
        Column(Tags.TRIAL, [str(leader.trial) for leader in leaders]),
        Column("params", [str(leader.run.info.run_name) for leader in leaders], left=True),
        Column("search", [_rounded(leader.searched) for leader in leaders]),
        Column("mean", [_rounded(leader.mean) for leader in leaders]),
        Column("std", [_rounded(leader.deviation) for leader in leaders]),
    ]
    for seed in confirmation.seeds:
        values = [
            "diverged" if seed in leader.diverged else _rounded(leader.values.get(seed, math.nan))
            for leader in leaders
        ]
        columns.append(Column(f"seed {seed}", values))
    print_table(columns)
    click.echo(confirmation.verdict())


def _rounded(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"


def _confirm_json(confirmation: "Confirmation") -> dict[str, Any]:
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
                "diverged": sorted(leader.diverged),
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
