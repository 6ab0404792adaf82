"""``rnnexp compare``: the trials of a study ranked, or runs side by side."""

import click

from rnnexp.cli.options import JSON, TRACKING


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="STUDY | RUN RUN...")
@click.option(
    "--where",
    "condition",
    metavar="CONDITION",
    help='Only trials such as "units = 64 and lr < 0.01".',
)
@click.option("--top", type=click.IntRange(1), metavar="N", help="Only the first N trials.")
@click.option("--sort", metavar="COLUMN", help="Order by a column; -COLUMN: the greatest first.")
@TRACKING
@JSON
def compare(
    runs: tuple[str, ...],
    condition: str | None,
    top: int | None,
    sort: str | None,
    tracking_uri: str | None,
    as_json: bool,
) -> None:
    """Rank the trials of a STUDY, or hold runs against each other.

    Ranked, a study's trials have the columns in which they differ: the best first, pruned and
    failed ones after. More than one RUN are shown side by side: results, the settings that
    differ, the curves of their epochs. A study among them stands for its best trial, or its best
    N with --top.

    RUN is the beginning of a run's id, or STUDY/NUMBER of a trial; STUDY is a study's name. The
    beginning of a name will do. CONDITION is as in SQL, on any column of the table or any metric.
    """
    # Imported here, since `--help` needs no MLflow.
    from rnnexp.cli.ranking import show_ranking
    from rnnexp.cli.side_by_side import show_side_by_side
    from rnnexp.compare.contenders import contenders
    from rnnexp.errors import QueryError
    from rnnexp.storage.run_reader import RunReader, is_study

    reader = RunReader(tracking_uri)
    found = [reader.study_or_run(name) for name in runs]
    studies = [run for run in found if is_study(run)]
    if len(found) == 1 and studies:
        trials = reader.trials(found[0])
        show_ranking(found[0], trials, condition=condition, top=top, sort=sort, as_json=as_json)
        return
    if sort:
        raise QueryError("--sort is for the trials of one study; runs stand side by side")
    if (condition or top) and not studies:
        raise QueryError("--where and --top are for trials of studies, of which none is given")
    beside = contenders(reader, found, condition, top or 1)
    if len(beside) < 2:
        raise QueryError(f"{' '.join(runs)} is one run; give another to compare it with")
    show_side_by_side(reader, beside, as_json=as_json)
