"""``rnnexp predict``: what the model of a run says of the texts in a file."""

from pathlib import Path

import click

from rnnexp import keras_runtime
from rnnexp.atomic import atomic_write
from rnnexp.cli.options import TRACKING, TRUST
from rnnexp.cli.process import import_from_working_directory


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
    from hydra.utils import instantiate

    from rnnexp.data.new_files import read_texts
    from rnnexp.reproduce.packable import packable_config
    from rnnexp.reproduce.usable_run import usable_run
    from rnnexp.serving.packing import dataset_of, text_model_of
    from rnnexp.storage.run_reader import RunReader

    if trust:
        import_from_working_directory()
    reader = RunReader(tracking_uri, trust=trust)
    found = usable_run(reader, run)
    config = packable_config(reader, found)
    source = instantiate(config.data)
    texts = list(read_texts(file, source))
    keras_runtime.choose(config.backend, deterministic=config.deterministic)
    dataset = dataset_of(config, found.info.run_id, found.data.tags)
    model = text_model_of(config, dataset, found.info.run_id, reader.store)
    names, _ = source.column_names()
    shown = pd.DataFrame({names[0] if len(names) == 1 else "text": texts})
    table = pd.concat([shown, model.predict(texts)], axis=1).to_csv(index=False)
    if output:
        atomic_write(output, table)
    else:
        click.echo(table, nl=False)
