"""``rnnexp predict``: what the model of a run says of the texts in a file."""

from pathlib import Path

import click

from rnnexp.atomic import atomic_write
from rnnexp.cli.options import TRACKING, TRUST
from rnnexp.cli.process import reader_of


@click.command()
@click.argument("run")
@click.argument("file")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the predictions into this file, not to standard output.",
)
@TRUST
@TRACKING
def predict(
    run: str, file: str, output: Path | None, trust: bool, tracking_uri: str | None
) -> None:
    """Predict for the texts in a file.

    The predictions are a CSV table with a row for each text: the text, and for classes the label
    and the probability of each class. FILE is a table (.csv, .tsv, .jsonl, .parquet, .xlsx) with
    the column of texts that the run was trained on, a .txt file with a text a line, or - for
    standard input.

    RUN is STUDY for the best trial of a study, STUDY/NUMBER of a trial, or the id of a run in
    MLflow or its beginning.
    """
    # Imported here, as in every command: `--help` needs no MLflow, whose import takes seconds.
    import pandas as pd

    from rnnexp.data.new_files import read_texts
    from rnnexp.reproduce.usable_run import UsableRun, run_or_best

    reader = reader_of(tracking_uri, trust=trust)
    found = UsableRun.of(reader, run_or_best(reader, run))
    texts = list(read_texts(file, found.source))
    names, _ = found.source.column_names()
    shown = pd.DataFrame({names[0] if len(names) == 1 else "text": texts})
    table = pd.concat([shown, found.text_model().predict(texts)], axis=1).to_csv(index=False)
    if output:
        atomic_write(output, table)
    else:
        click.echo(table, nl=False)
