"""``rnnexp compare``: the trials of a study ranked, or runs side by side."""

import click

from rnnexp.cli.options import JSON, TRACKING
from rnnexp.errors import QueryError


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="STUDY | RUN RUN...")
@click.option(
    "--where",
    "condition",
    metavar="CONDITION",
    help='Show only trials that meet a condition, such as "units = 64 and lr < 0.01".',
)
@click.option("--top", type=click.IntRange(1), metavar="N", help="Show only the first N trials.")
@click.option(
    "--sort", metavar="COLUMN", help="Sort by a column; -COLUMN for the greatest value first."
)
@TRACKING
@JSON
def compare(
    names: tuple[str, ...],
    condition: str | None,
    top: int | None,
    sort: str | None,
    tracking_uri: str | None,
    as_json: bool,
) -> None:
    """Rank the trials of a study, or show runs side by side.

    One STUDY is shown as a table of its trials: the best first, then pruned and failed ones, with
    only the columns in which the trials differ. Several RUNs are shown side by side: their
    results, the config values that differ, and the curves of their epochs. In place of a study
    among them, its best trial is shown, or its best N trials with --top.

    STUDY is the name of a study. RUN is STUDY/NUMBER of a trial, or the id of a run in MLflow.
    The beginning of a name or of an id is enough if it is unique. CONDITION is written as in SQL,
    on any column of the table or any metric.
    """
    # Imported here, as in every command: `--help` needs no MLflow, whose import takes seconds.
    from rnnexp.cli.ranking import show_ranking
    from rnnexp.cli.side_by_side import show_side_by_side
    from rnnexp.compare.contenders import contenders
    from rnnexp.storage.run_reader import RunReader, is_study

    reader = RunReader(tracking_uri)
    runs = [reader.study_or_run(name) for name in names]
    studies = [run for run in runs if is_study(run)]
    if len(runs) == 1 and studies:
        trials = reader.trials(runs[0])
        show_ranking(runs[0], trials, condition=condition, top=top, sort=sort, as_json=as_json)
        return
    if sort:
        raise QueryError("--sort is for the trials of one study, not for runs side by side")
    if (condition is not None or top) and not studies:
        raise QueryError("--where and --top are for the trials of studies, but no study is given")
    compared = contenders(reader, runs, condition, top or 1)
    if len(compared) < 2:
        raise QueryError(f"{' '.join(names)} is one run; give another to compare it with")
    show_side_by_side(reader, compared, as_json=as_json)
