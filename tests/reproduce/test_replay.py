"""Replays of runs, and the epoch at which a replay differs from its run."""

import json
import math
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from mlflow.entities import Run
from omegaconf import OmegaConf

from rnnexp.cli import main
from rnnexp.errors import ConfigError, NotFoundError, SchemaError, SweepError
from rnnexp.reproduce.job_config import threads_of
from rnnexp.reproduce.replay import Difference, difference, notes, replay
from rnnexp.storage.run_reader import RunReader
from rnnexp.version import __version__
from tests.helpers.commands import PRUNE_AT_2, Command, Ended, metrics

pytestmark = pytest.mark.slow

HERE = OmegaConf.create({"_target_": "rnnexp.execution.executors.InProcessExecutor"})
CURVES = {"loss": {0: 1.0, 1: 0.5}, "val_loss": {0: 1.0, 1: math.nan}}


@pytest.fixture(scope="module")
def swept(command: Command) -> Ended:
    """Two trials: one of 1 epoch, which completes, and one of 4 epochs, pruned at epoch 2."""
    return command(
        "-m",
        *PRUNE_AT_2,
        "hydra.sweeper.study_name=s",
        "hydra.sweeper.n_trials=2",
        "hydra.sweeper.enqueue=[{fit.epochs:1},{fit.epochs:4}]",
        "fit.epochs=choice(1,4)",
        "+callbacks.trace={_target_:tests.helpers.failing.Trace,folder:'${hydra:runtime.output_dir}'}",
    )


@pytest.fixture
def reader(swept: Ended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunReader:
    """The sweep's reader, in another folder than the sweep's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    # The callback that the sweep's runs name is the tests' own.
    return RunReader(f"sqlite:///{swept.path}/mlflow.db", trust=True)


def times(folder: Path) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}


def artifacts(reader: RunReader, run: Run) -> set[str]:
    return {item.path for item in reader.client.list_artifacts(run.info.run_id)}


@pytest.mark.parametrize(
    ("second", "found"),
    [
        (CURVES, None),
        ({"loss": {0: 1.0, 1: 0.5, 2: 0.4}, "other": {0: 3.0}}, None),  # only common epochs
        (
            {"loss": {0: 1.0, 1: 0.75}, "val_loss": {0: 1.25}},
            Difference(0, "val_loss", (1.0, 1.25), 0.25),
        ),
        (
            {"loss": {1: math.nextafter(0.5, 1)}},
            Difference(1, "loss", (0.5, math.nextafter(0.5, 1)), math.ulp(0.5)),
        ),
    ],
)
def test_the_first_epoch_that_differs(
    second: dict[str, dict[int, float]], found: Difference | None
) -> None:
    assert difference(CURVES, second) == found


def test_a_replay_is_a_job_and_a_run_of_its_own(
    swept: Ended, reader: RunReader, tmp_path: Path
) -> None:
    original = reader.run("s/0")
    before = times(swept.path / "multirun"), artifacts(reader, original)
    done = replay(reader, original, HERE)
    assert done.epochs == (1, 1)
    tags = done.replayed.data.tags
    assert tags["replay_of"] == original.info.run_id
    assert (tags["state"], tags["seed"]) == ("COMPLETE", "0")
    assert "mlflow.parentRunId" not in tags
    assert done.replayed.data.params == original.data.params
    assert done.replayed.info.experiment_id == original.info.experiment_id
    (folder,) = (tmp_path / "outputs").iterdir()
    assert {file.name for file in folder.iterdir()} == {
        ".hydra", "best.keras", "sweep.log", "train_end"
    }  # fmt: skip
    assert "val_accuracy" in (folder / "sweep.log").read_text()
    overrides = OmegaConf.load(folder / ".hydra" / "overrides.yaml")
    assert overrides == OmegaConf.load(swept.path / "multirun/s/0/.hydra/overrides.yaml")
    # Only the best trial of a study is evaluated.
    assert artifacts(reader, done.replayed) == before[1] - {"evaluation"}
    # The link is all that is new in the old run.
    assert (times(swept.path / "multirun"), artifacts(reader, original)) == before
    linked = reader.run("s/0")
    assert linked.data.tags == original.data.tags | {"replayed_by": done.replayed.info.run_id}
    assert len(reader.trials(reader.study("s"))) == 2


def test_a_replay_can_be_replayed(reader: RunReader) -> None:
    first = replay(reader, reader.run("s/0"), HERE).replayed
    assert replay(reader, first, HERE).replayed.data.tags["replay_of"] == first.info.run_id


def test_a_pruned_trial_runs_on(reader: RunReader) -> None:
    original = reader.run("s/1")
    done = replay(reader, original, HERE)
    assert done.replayed.data.tags["state"] == "COMPLETE"
    assert done.epochs == (3, 4)
    assert any("the run was pruned" in note for note in notes(reader, original))


def test_notes_give_the_reasons_for_a_difference(reader: RunReader) -> None:
    original = reader.run("s/0")
    run_id, version = original.info.run_id, original.data.tags["rnnexp.version"]
    for tag, value in (("attempt", "1"), ("rnnexp.version", "0.0.1")):
        reader.client.set_tag(run_id, tag, value)
    reader.client.delete_tag(run_id, "data")
    found = list(notes(reader, reader.run("s/0")))
    reader.client.delete_tag(run_id, "attempt")
    reader.client.set_tag(run_id, "rnnexp.version", version)
    reader.client.set_tag(run_id, "data", original.data.tags["data"])
    assert found == [
        f"the run was made by rnnexp 0.0.1, this is {__version__}",
        "the run ended before its data were loaded; the data may have changed since",
        "the run was retried or resumed after its process died; metrics can differ from there",
        "the run was trained without deterministic=true; the last bits can differ",
    ]


def test_a_replay_has_the_threads_that_the_run_had(reader: RunReader) -> None:
    run = reader.run("s/1")
    stored = json.dumps(reader.environment(run))
    reader.client.log_text(run.info.run_id, '{"threads": 3}', "environment.json")
    assert threads_of(reader, run) == 3
    reader.client.log_text(run.info.run_id, "{}", "environment.json")
    with pytest.raises(NotFoundError, match=r"has no environment.json with its number of threads"):
        replay(reader, run)
    reader.client.log_text(run.info.run_id, stored, "environment.json")


def test_another_schema_version_is_refused(reader: RunReader, tmp_path: Path) -> None:
    run = reader.run("s/0")
    reader.client.set_tag(run.info.run_id, "rnnexp.schema", "999")
    refused = CliRunner().invoke(main, ["replay", "s/0", f"--tracking-uri={reader.uri}"])
    with pytest.raises(SchemaError):
        reader.run(run.info.run_id)
    reader.client.set_tag(run.info.run_id, "rnnexp.schema", run.data.tags["rnnexp.schema"])
    assert refused.exit_code == 1
    assert refused.output == (
        f"Error: trial {run.info.run_name} has schema version 999, but this rnnexp reads version "
        "1: use the rnnexp that wrote it, or start a new study\n"
    )
    assert not list(tmp_path.iterdir())


def test_a_run_of_another_program_is_refused(reader: RunReader) -> None:
    run = reader.client.create_run(reader.run("s/0").info.experiment_id)
    with pytest.raises(NotFoundError, match="was not made by rnnexp, so it can't be trained again"):
        replay(reader, run, HERE)
    reader.client.delete_run(run.info.run_id)


def test_data_that_have_changed_are_refused(reader: RunReader, tmp_path: Path) -> None:
    run = reader.run("s/0")
    reader.client.set_tag(run.info.run_id, "data", "0123abcd")
    runs = len(reader.client.search_runs([run.info.experiment_id]))
    with pytest.raises(ConfigError, match=r"was 0123abcd, now it is [0-9a-f]{32}"):
        replay(reader, reader.run("s/0"), HERE)
    reader.client.set_tag(run.info.run_id, "data", run.data.tags["data"])
    assert len(reader.client.search_runs([run.info.experiment_id])) == runs
    assert not list(tmp_path.iterdir())


def test_a_config_that_this_version_cant_use_is_refused(command: Command, tmp_path: Path) -> None:
    ended = command("fit.epochs=1", path=tmp_path)
    (run,) = ended.runs()
    reader = RunReader(f"sqlite:///{ended.path}/mlflow.db")
    config = reader.config(run)
    del config.checkpoint
    reader.client.log_text(run.info.run_id, OmegaConf.to_yaml(config), "config.yaml")
    with pytest.raises(
        ConfigError, match=r"checkpoint is not in the config, which rnnexp \S+ needs"
    ):
        replay(reader, run, HERE)


def test_a_run_that_fails_again(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = command(
        "-m",
        "hydra.sweeper.study_name=f",
        "hydra.sweeper.n_trials=2",
        "fit.epochs=1",
        "model.units=choice(4,5)",
        "+callbacks.fail={_target_:tests.helpers.failing.FailAt,epoch:0,units:5}",
        path=tmp_path,
    )
    failed = next(run for run in ended.runs()[1:] if run.data.tags["state"] == "FAIL")
    reader = RunReader(f"sqlite:///{ended.path}/mlflow.db", trust=True)
    with pytest.raises(SweepError, match="failed: RuntimeError: out of luck"):
        replay(reader, failed, HERE)


def test_files_are_found_from_another_folder(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    table = tmp_path / "here" / "train.csv"
    table.write_text("text,label\n" + "a good film,1\na bad film,0\n" * 10)
    (tmp_path / "here" / "test.csv").write_text(table.read_text())
    small = ("data.maxlen=4", "model.embedding_size=4", "model.units=4", "fit.epochs=1")
    files = ("data.train=train.csv", "data.test=test.csv", "fit.validation_data=train.csv")
    ended = command("data=table", *files, *small, path=tmp_path / "here", tiny=False)
    (run,) = ended.runs()
    reader = RunReader(f"sqlite:///{ended.path}/mlflow.db")
    config = reader.config(run)
    assert {config.data.train, config.data.validation, config.fit.validation_data} == {str(table)}
    monkeypatch.chdir(tmp_path / "there")
    assert replay(reader, run, HERE).epochs == (1, 1)
    table.write_text(table.read_text() + "a new film,1\n")
    changed = f"its data have changed since it was trained: .*; data.train={table} had 2"
    with pytest.raises(ConfigError, match=changed):
        replay(reader, run, HERE)
    table.unlink()
    with pytest.raises(ConfigError, match=f"data.train={table} does not exist"):
        replay(reader, run, HERE)


def test_what_cant_be_replayed(app: Command, reader: RunReader) -> None:
    run_id = reader.run("s/0").info.run_id
    for status, state in (("RUNNING", "still running"), ("SCHEDULED", "paused, and may go on")):
        reader.client.update_run(run_id, status)
        message = f"run {run_id} is {state}; it can be trained again at its end"
        with pytest.raises(NotFoundError, match=message):
            replay(reader, reader.run(run_id), HERE)
        with pytest.raises(NotFoundError, match=f"run {run_id} has no x; the run is {state}"):
            reader.download(reader.run(run_id), "x", Path())
    reader.client.update_run(run_id, "FINISHED")
    with pytest.raises(NotFoundError, match="is a whole study; give one of its trials: s/0"):
        replay(reader, reader.study("s"), HERE)
    ended = app("-m", "hydra.sweeper.n_trials=1", "hydra.sweeper.study_name=one", "steps=2")
    there = f"--tracking-uri=sqlite:///{ended.path}/mlflow.db"
    invoked = CliRunner().invoke(main, ["replay", "one/0", there])
    assert invoked.exit_code == 1
    assert "by an application of your own" in invoked.output
    assert "python APPLICATION.py steps=2 x=" in invoked.output


@pytest.mark.slow
def test_a_deterministic_trial_of_a_worker_is_replayed_to_the_last_bit(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained after others in a warm worker; replayed as the first in a new one."""
    swept = command(
        "-m",
        "hydra/launcher=workers",
        "hydra.sweeper.study_name=s",
        "hydra.sweeper.n_trials=2",
        "hydra.sweeper.n_jobs=1",
        "model=lstm",
        "model.dropout=0.3",
        "model.units=choice(4,5)",
        "fit.batch_size=16",
        "fit.epochs=3",
        "deterministic=true",
    )
    assert swept.code == 0, swept.err
    monkeypatch.chdir(swept.path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    original = RunReader("sqlite:///mlflow.db").run("s/1")
    plain = CliRunner().invoke(main, ["replay", "s/1", "--tracking-uri=sqlite:///mlflow.db"])
    assert plain.exit_code == 0, plain.output
    epochs = original.data.metrics and len(metrics(swept, original, "loss"))
    assert f"equal: every metric of {epochs} epochs, to the last bit" in plain.output
    as_json = CliRunner().invoke(
        main, ["replay", "s/1", "--json", "--tracking-uri=sqlite:///mlflow.db"]
    )
    answer = json.loads(as_json.stdout)
    assert answer["equal"] is True
    replayed = swept.client.get_run(answer["replay"]["id"])
    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
        assert metrics(swept, replayed, name) == metrics(swept, original, name)
