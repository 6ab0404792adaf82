"""``rnnexp evaluate``: how the model of a run errs, on its test part or on a file of labels."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rnnexp.cli.options import TRACKING, TRUST
from rnnexp.cli.process import reader_of
from rnnexp.cli.tables import Column, print_table

if TYPE_CHECKING:
    from rnnexp.evaluation.measures import Evaluation


@click.command()
@click.argument("run")
@click.option("--data", "file", metavar="FILE", help="A table of texts and labels to evaluate on.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write the evaluation into this folder, not to the run in MLflow.",
)
@TRUST
@TRACKING
def evaluate(
    run: str, file: str | None, output: Path | None, trust: bool, tracking_uri: str | None
) -> None:
    """Evaluate the model of a run on its test part, or on a file.

    The loss, the metrics and the confusion matrix are printed. The run gets a page with plots and
    the most confident mistakes, and the predictions as a table. FILE has the columns of texts and
    labels that the run was trained on. A sweep evaluates its best trial by itself.

    RUN is STUDY for the best trial of a study, STUDY/NUMBER of a trial, or the id of a run in
    MLflow or its beginning.
    """
    # Imported here, as in every command: `--help` needs no MLflow, whose import takes seconds.
    from rnnexp.data.new_files import held_out, read_examples
    from rnnexp.evaluation.files import log_files, write_files
    from rnnexp.reproduce.usable_run import UsableRun, run_or_best
    from rnnexp.training.evaluation import evaluate_checkpoint, writable

    reader = reader_of(tracking_uri, trust=trust)
    found = UsableRun.of(reader, run_or_best(reader, run), builds=True)
    source, dataset = found.source, found.dataset
    examples = read_examples(file, source, dataset) if file else held_out(source, dataset)
    evaluation, files = evaluate_checkpoint(found.config, dataset, found.run, examples)
    show(evaluation)
    if output:
        write_files(output, files)
        click.echo(f"{output} has the plots, the predictions and the mistakes")
        return
    name = re.sub(r"[^\w.-]", "_", examples.name) if file else ""
    folder = log_files(writable(found.store, found.run), files, name)
    click.echo(
        f"{folder} among the artifacts of run {found.run.info.run_id} has the plots, the "
        "predictions and the mistakes"
    )


def show(evaluation: "Evaluation") -> None:
    """Print an evaluation: its scores and, for classes, the confusion matrix."""
    from rnnexp.evaluation.tables import class_rows, summary

    click.echo(summary(evaluation))
    if not evaluation.by_class:
        return
    labels = Column("label", list(evaluation.classes), left=True)
    predicted = zip(*evaluation.confusion, strict=True)  # a column for each predicted class
    counts = [
        Column(f"as {name}", list(map(str, rows)))
        for name, rows in zip(evaluation.classes, predicted, strict=False)  # of many, none
    ]
    scores = zip(*(row[1:] for row in class_rows(evaluation)), strict=True)
    names = ("precision", "recall", "F1", "rows")
    more = [Column(name, list(cells)) for name, cells in zip(names, scores, strict=True)]
    print_table([labels, *counts, *more])
