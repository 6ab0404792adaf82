import shlex
from dataclasses import dataclass
from pathlib import Path

import keras
import mlflow.pyfunc
import pandas as pd
import pytest
from click.testing import CliRunner
from mlflow.entities.model_registry import ModelVersion
from omegaconf import DictConfig, OmegaConf

from rnnexp import data
from rnnexp.cli import main
from rnnexp.data.encoding import Vocabulary, tokenize
from rnnexp.serving.publish import publish, publish_run
from rnnexp.storage.run_reader import RunReader
from tests.helpers.commands import Command, Ended

pytestmark = pytest.mark.slow

SWEEP = (
    "-m",
    "hydra.sweeper.n_trials=2",
    "hydra.sweeper.params=null",
    "model.units=choice(3,4)",
    "hydra.sweeper.study_name=s",
)
SENTENCES = ["a good film", 'it was "not", really, good', "", "BAD", "a b c d e f g h i j k l m"]


@pytest.fixture(scope="module")
def swept(command: Command) -> Ended:
    ended = command(*SWEEP)
    assert ended.code == 0, ended.err
    return ended


@pytest.fixture
def reader(swept: Ended, monkeypatch: pytest.MonkeyPatch) -> RunReader:
    uri = f"sqlite:///{swept.path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)  # where models:/ leads
    return RunReader(uri)


def versions(reader: RunReader, name: str) -> list[ModelVersion]:
    found = reader.client.search_model_versions(f"name = '{name}'")
    return sorted(found, key=lambda version: int(version.version))


def test_the_winner_is_logged_on_the_studys_run(swept: Ended, reader: RunReader) -> None:
    parent, *trials = swept.runs()
    best = trials[int(parent.data.metrics["best_trial"])]
    (output,) = reader.client.get_run(parent.info.run_id).outputs.model_outputs
    model = reader.client.get_logged_model(output.model_id)
    assert (model.status, model.name) == ("READY", f"trial-{best.data.tags['trial']}")
    assert model.source_run_id == parent.info.run_id
    assert model.tags["run"] == best.info.run_id
    assert model.params == best.data.params


def test_it_is_registered_and_the_champion(swept: Ended, reader: RunReader) -> None:
    parent, *_ = swept.runs()
    (version,) = versions(reader, "s")
    assert reader.client.get_registered_model("s").aliases == {"champion": version.version}
    assert version.run_id == parent.info.run_id
    assert float(version.tags["best_value"]) == parent.data.metrics["best_value"]
    assert version.tags["objective"] == "min val_loss"
    assert "there was no champion" in version.description
    assert "on the same rows and by the same objective and loss or metric" in version.description
    assert version.tags["identity"] == swept.runs()[1].data.tags["identity"]
    line = "mlflow models predict -m models:/s@champion --env-manager local -i sentences.csv -t csv"
    assert f"\n  {line}\n" in swept.out


def test_it_predicts_as_its_checkpoint(swept: Ended, reader: RunReader, tmp_path: Path) -> None:
    parent, *_ = swept.runs()
    run = reader.run(f"s/{int(parent.data.metrics['best_trial'])}")
    config = reader.config(run)
    network = keras.models.load_model(reader.download(run, run.data.tags["checkpoint"], tmp_path))
    vocabulary = Vocabulary(data.load(config.data).words)
    ids = vocabulary.encode([tokenize(text, "whitespace") for text in SENTENCES], 8)
    model = mlflow.pyfunc.load_model("models:/s@champion")
    predicted = model.predict(pd.DataFrame({"text": SENTENCES}))
    expected = network.predict(ids, verbose=0)[:, 0]
    assert predicted["probability_1"].tolist() == pytest.approx(expected.tolist(), abs=1e-7)
    assert predicted["label"].tolist() == [int(probability > 0.5) for probability in expected]
    assert [column.name for column in model.metadata.get_input_schema().inputs] == ["text"]
    assert len(model.predict(model.input_example)) == 2


def test_a_resume_with_the_same_winner_makes_nothing_twice(
    command: Command, swept: Ended, reader: RunReader
) -> None:
    resumed = command(*SWEEP, "hydra.sweeper.resume=s", path=swept.path)
    assert resumed.code == 0, resumed.err
    assert len(versions(reader, "s")) == 1
    parent, *_ = swept.runs()
    assert len(reader.client.get_run(parent.info.run_id).outputs.model_outputs) == 1
    assert "version 1 of s, now its champion: as before" in resumed.out


@dataclass
class Published:
    """What `publish_run` is called with, for the better and the worse of two trials."""

    reader: RunReader
    parent: str
    runs: list[str]
    config: DictConfig

    def __call__(self, name: str, which: int, **objective: str) -> list[tuple[str, str]]:
        config = OmegaConf.merge(self.config, {"objective": objective})
        assert isinstance(config, DictConfig)
        config.model.units = self.reader.config(self.reader.run(self.runs[which])).model.units
        tracker = self.reader.store
        return publish_run(tracker, config, self.runs[which], self.parent, name)

    def champion(self, name: str) -> str:
        return str(self.reader.client.get_model_version_by_alias(name, "champion").version)


@pytest.fixture
def published(swept: Ended, reader: RunReader) -> Published:
    parent, *trials = swept.runs()
    trials.sort(key=lambda run: run.data.metrics["best_value"])
    runs = [run.info.run_id for run in trials]
    return Published(reader, parent.info.run_id, runs, reader.config(trials[0]))


def test_a_better_one_becomes_the_champion(published: Published) -> None:
    published("better", 1)
    assert published.champion("better") == "1"
    ((text, command),) = published("better", 0)
    assert published.champion("better") == "2"
    assert "version 2 of better, now its champion" in text
    assert "models:/better@champion" in command


def test_a_worse_one_does_not(published: Published) -> None:
    published("worse", 0)
    (text, command), (by_hand, crown) = published("worse", 1)
    assert published.champion("worse") == "1"
    assert "version 2 of worse, not its champion: its best_value" in text
    assert "models:/worse/2" in command
    assert by_hand == "Make this version the champion by hand:"
    assert versions(published.reader, "worse")[1].description.startswith("Did not become")
    *_, code = shlex.split(crown)
    exec(code)  # noqa: S102
    assert published.champion("worse") == "2"
    assert "as before" in published("worse", 0)[0][0]  # by hand wins
    assert published.champion("worse") == "2"


def test_another_objective_is_not_compared(published: Published) -> None:
    published("other", 1)
    client = published.reader.client
    client.set_model_version_tag("other", "1", "identity", '{"objective": "max val_accuracy"}')
    text, _ = published("other", 0)[0]
    assert "objective is max val_accuracy, this one's is min val_loss" in text
    assert published.champion("other") == "1"


def test_without_a_name_it_is_logged_alone(published: Published) -> None:
    tracker, config = published.reader.store, published.config
    ((text, command),) = publish_run(tracker, config, published.runs[0], published.parent, None)
    assert "which is not registered" in text
    assert mlflow.pyfunc.load_model(shlex.split(command.split(" -m ")[1])[0])


def test_the_command(reader: RunReader) -> None:
    uri = f"--tracking-uri={reader.uri}"
    invoked = CliRunner().invoke(main, ["publish", "s", "--name", "by hand", uri])
    assert invoked.exit_code == 0, invoked.output
    assert "version 1 of by hand, now its champion" in invoked.output
    refused = CliRunner().invoke(main, ["publish", "s", "--name", "a/b", uri])
    assert refused.exit_code == 1
    assert "--name a/b: names of registered models have no / : ?" in refused.output


@pytest.mark.parametrize("arguments", [["export", "s/0", "model"], ["publish", "s"]])
def test_another_schema_version_is_refused(
    reader: RunReader, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    uri = f"--tracking-uri={reader.uri}"
    runs = [reader.study("s"), reader.run("s/0")]
    for run in runs:
        reader.client.set_tag(run.info.run_id, "rnnexp.schema", "999")
    refused = CliRunner().invoke(main, [*arguments, uri])
    for run in runs:
        reader.client.set_tag(run.info.run_id, "rnnexp.schema", run.data.tags["rnnexp.schema"])
    assert refused.exit_code == 1
    assert refused.output == (
        "Error: study s has schema version 999, but this rnnexp reads version 1: use the rnnexp "
        "that wrote it, or start a new study\n"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["hydra.sweeper.study_name='a:b'"], "registered_model_name=a:b: names of registered"),
        (["hydra.sweeper.registered_model_name=a/b"], "registered_model_name=a/b: names of"),
    ],
)
def test_a_name_that_the_registry_refuses(
    command: Command, arguments: list[str], problem: str
) -> None:
    ended = command(*SWEEP[:-1], *arguments)
    assert ended.code == 1
    assert problem in ended.err
    assert not ended.files() - {"mlflow.db"}


def test_an_application_has_none(app: Command) -> None:
    ended = app("-m", "hydra.sweeper.n_trials=1", "hydra.sweeper.study_name='a:b'")
    assert ended.code == 0, ended.err
    assert not ended.client.search_registered_models()
    _, run = ended.runs("app")
    tracking = {"uri": f"sqlite:///{ended.path}/mlflow.db", "experiment": "app"}
    assert publish(OmegaConf.create({"tracking": tracking}), run.info.run_id, "unused", None) == []


def can_not_publish(config: object, run_id: str, study_run: str, name: str | None) -> object:  # noqa: ARG001
    raise OSError("no room")


def test_a_model_that_can_not_be_logged_costs_no_summary(app: Command) -> None:
    publish = "hydra.sweeper.publish=tests.serving.test_publish.can_not_publish"
    arguments = ("-m", "hydra.sweeper.n_trials=1", publish)
    ended = app(*arguments, "hydra.sweeper.study_name=it s")
    assert ended.code == 0, ended.err
    assert "The best model could not be logged: no room. To do it later:" in ended.out
    assert (
        f"  rnnexp publish 'it s' --name 'it s' --tracking-uri sqlite:///{ended.path}" in ended.out
    )
    ended = app(
        *arguments, "hydra.sweeper.registered_model_name=null", "hydra.sweeper.study_name=t"
    )
    assert "  rnnexp export t/0 t-model --tracking-uri" in ended.out


def test_a_value_of_another_loss_is_not_compared(command: Command, swept: Ended) -> None:
    ended = command(
        *SWEEP[:-1], "hydra.sweeper.study_name=squares", "hydra.sweeper.registered_model_name=s",
        "compile.loss._target_=keras.losses.MeanSquaredError", "fit.epochs=1", path=swept.path,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    parents = [run for run in ended.runs() if "trial" not in run.data.tags]
    values = {run.data.tags["study"]: run.data.metrics["best_value"] for run in parents}
    assert values["squares"] < values["s"]  # and yet not better
    reason = (
        "not its champion: the two can't be compared: the champion's loss is binary_crossentropy, "
        "this one's is mean_squared_error"
    )
    assert reason in " ".join(ended.out.split())
    assert str(swept.client.get_model_version_by_alias("s", "champion").version) == "1"
    uri = f"--tracking-uri=sqlite:///{swept.path}/mlflow.db"
    compared = CliRunner().invoke(main, ["compare", "s", "squares", uri])
    assert compared.output.startswith(
        "Not ranked: their losses differ (a: binary_crossentropy, b: mean_squared_error)."
    )
