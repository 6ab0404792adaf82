"""``rnnexp publish``: the best model of a study, logged and registered in MLflow."""

import click

from rnnexp.cli.options import TRACKING, TRUST
from rnnexp.cli.process import reader_of
from rnnexp.storage.schema import Metrics, Tags


@click.command()
@click.argument("study")
@click.option("--name", help="The name of the registered model; by default the study's name.")
@TRUST
@TRACKING
def publish(study: str, name: str | None, trust: bool, tracking_uri: str | None) -> None:
    """Register the best model of a study.

    The model is logged on the study's run in MLflow, and registered as a new version, as a sweep
    does at its end. STUDY is the name of a study, or its beginning if that is unique.
    """
    # Imported here, as in every command: `--help` needs no MLflow, whose import takes seconds.
    from rnnexp.reproduce.packable import packable_config
    from rnnexp.serving.publish import publish_run
    from rnnexp.storage.registry import name_problem

    reader = reader_of(tracking_uri, trust=trust)
    parent = reader.study(study)
    name = name or str(parent.data.tags[Tags.STUDY])
    if problem := name_problem(name):
        raise click.ClickException(f"--name {name}: {problem}; give another")
    best = parent.data.metrics.get(Metrics.BEST_TRIAL)
    if best is None:
        raise click.ClickException(f"study {parent.data.tags[Tags.STUDY]} has no completed trial")
    trials = reader.trials(parent)
    run = next(run for run in trials if run.data.tags[Tags.TRIAL] == str(int(best)))
    config = packable_config(reader, run)
    steps = publish_run(reader.store, config, run.info.run_id, parent.info.run_id, name)
    for text, command in steps:
        click.echo(f"{text}\n  {command}")
