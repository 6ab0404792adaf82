"""A trial that is trained on from its best epoch, as a new run."""

import json

import pytest
from click.testing import CliRunner, Result

from rnnexp.cli import main
from rnnexp.storage.run_reader import RunReader
from rnnexp.storage.schema import Kind, Metrics, Tags
from tests.helpers.commands import Command, Ended

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def swept(command: Command) -> Ended:
    """Two trials of 2 epochs, of which the better one keeps its checkpoint."""
    return command(
        "-m", "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=2", "hydra.sweeper.keep=1",
        "hydra.sweeper.pausing=null", "pruner=none", "fit.epochs=2",
    )  # fmt: skip


def run(swept: Ended, *arguments: str) -> Result:
    uri = f"sqlite:///{swept.path}/mlflow.db"
    return CliRunner().invoke(main, ["continue", *arguments, "--tracking-uri", uri])


def test_epochs_are_counted_on_from_the_best(swept: Ended, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(swept.path)
    reader = RunReader(f"sqlite:///{swept.path}/mlflow.db")
    trials = [reader.run("s/0"), reader.run("s/1")]
    best = min(trials, key=lambda trial: trial.data.metrics[Metrics.BEST_VALUE])
    other = next(trial for trial in trials if trial is not best)
    name = f"s/{best.data.tags[Tags.TRIAL]}"

    ended = run(swept, name, "--epochs", "2", "--json")
    assert ended.exit_code == 0, ended.output
    found = json.loads(ended.stdout)
    continued = reader.client.get_run(found["continued"]["id"])
    first = int(best.data.metrics[Metrics.BEST_EPOCH]) + 1
    assert [epoch for epoch, _ in reader.epochs(continued, "val_loss")] == [first, first + 1]
    tags = continued.data.tags
    assert (tags[Tags.KIND], tags[Tags.CONTINUED_FROM]) == (Kind.CONTINUATION, best.info.run_id)
    values = [one.data.metrics[Metrics.BEST_VALUE] for one in (continued, best)]
    assert found["is_better"] == (values[0] < values[1])

    refused = run(swept, f"s/{other.data.tags[Tags.TRIAL]}", "--epochs", "2")
    assert refused.exit_code == 1
    assert "can't be continued: its checkpoint was deleted" in refused.output
