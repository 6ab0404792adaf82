from pathlib import Path

import optuna
import pytest
from click.testing import CliRunner, Result
from optuna.trial import TrialState, create_trial

from rnnexp.cli import main
from rnnexp.report.snapshot import snapshot_of
from rnnexp.result import Result as TrialResult
from rnnexp.result import State
from rnnexp.storage.schema import Artifacts, Kind, Tags, TrialAttrs
from tests.helpers.commands import Command, Ended


@pytest.fixture
def swept(app: Command) -> Ended:
    return app("-m", "hydra.sweeper.n_trials=3", "hydra.sweeper.study_name=s")


def check(ended: Ended, *arguments: str) -> Result:
    return CliRunner().invoke(
        main,
        [
            "check", *arguments, f"--storage=sqlite:///{ended.path}/optuna.db",
            f"--tracking-uri=sqlite:///{ended.path}/mlflow.db",
        ],
    )  # fmt: skip


def test_a_study_in_order(swept: Ended) -> None:
    result = check(swept, "s")
    assert (result.exit_code, result.output) == (0, "0 differences\n")


def test_differences_are_printed_and_repaired(swept: Ended) -> None:
    parent, *runs = swept.runs("app")
    client = swept.client
    client.set_terminated(runs[0].info.run_id, "RUNNING")
    client.set_tag(runs[1].info.run_id, "state", "RUNNING")
    experiment = runs[0].info.experiment_id
    of_trial = {Tags.KIND: Kind.TRIAL, "study": "s", "trial": "2"}
    client.create_run(experiment, tags=of_trial | {"mlflow.parentRunId": parent.info.run_id})
    client.create_run(experiment, tags=of_trial)  # another study's
    of_study = {name: parent.data.tags[name] for name in (Tags.KIND, "study", "folder")}
    client.create_run(experiment, tags=of_study)
    client.set_terminated(parent.info.run_id, "RUNNING")
    folder = Path(swept.study("s").user_attrs["folder"]) / "2"
    (folder / "backup.npz").touch()
    client.log_text(runs[2].info.run_id, "an archive", Artifacts.BACKUP)
    client.set_tag(runs[2].info.run_id, Tags.BACKUP, Artifacts.BACKUP)
    result = check(swept, "s")
    assert result.exit_code == 1
    for text in (
        "trial 0 is COMPLETE in Optuna, its run is RUNNING in MLflow",
        "trial 1 is COMPLETE in Optuna, the tag of its run is RUNNING",
        "trial 2 has a second run in MLflow",
        "trial 2 has ended, but its backup is there",
        "trial 2 has ended, but its backup is among its run's artifacts",
        "the study has a second run in MLflow",
        "no sweep of the study is alive, but its run is RUNNING in MLflow",
        "7 differences",
    ):
        assert text in result.output
    repaired = check(swept, "s", "--repair")
    assert repaired.exit_code == 0, repaired.output
    assert repaired.output.count(": repaired") == 7
    assert repaired.output.endswith("7 differences, 7 repaired\n")
    assert check(swept, "s").output == "0 differences\n"


def test_runs_that_were_deleted_in_mlflow(swept: Ended, app: Command) -> None:
    """Every command says which run was deleted, and how to restore it."""
    parent, *runs = (run.info.run_id for run in swept.runs("app"))
    client, tracking = swept.client, f"--tracking-uri=sqlite:///{swept.path}/mlflow.db"
    client.delete_run(runs[1])
    restore = f"was deleted in MLflow; to restore it: mlflow runs restore --run-id {runs[1]}"
    assert f"trial 1 is COMPLETE, but its run {restore}" in check(swept, "s").output
    client.delete_run(parent)
    for arguments in (["check", "s"], ["compare", "s"], ["export", "s/1", "x"], ["confirm", "s"]):
        storage = [f"--storage=sqlite:///{swept.path}/optuna.db"] if "check" in arguments else []
        result = CliRunner().invoke(main, [*arguments, *storage, tracking])
        assert result.exit_code == 1
        assert f"mlflow runs restore --run-id {parent}" in result.output
        assert result.output.count("\n") == 1
    resumed = app("-m", "hydra.sweeper.resume=s", "hydra.sweeper.n_trials=4", path=swept.path)
    assert resumed.code == 1
    assert f"hydra.sweeper.resume=s: its run {parent} was deleted in MLflow" in resumed.err
    for run_id in (parent, runs[1]):
        client.restore_run(run_id)
    assert check(swept, "s").output == "0 differences\n"


def test_a_sweep_that_died_before_it_stored_its_run(app: Command, tmp_path: Path) -> None:
    """The study is made, then its run in MLflow, and only then does Optuna know of the run."""
    storage, folder = f"sqlite:///{tmp_path}/optuna.db", tmp_path / "multirun" / "s"
    study = optuna.create_study(study_name="s", storage=storage)
    at_once = Ended(tmp_path, 0, "", "")
    assert "the study has no folder: its sweep died early" in check(at_once, "s").output
    study.set_user_attr("folder", str(folder))
    assert "the study has no run in MLflow: its sweep died early" in check(at_once, "s").output
    experiment = at_once.client.create_experiment("app")
    run = at_once.client.create_run(
        experiment, tags={Tags.KIND: Kind.STUDY, "study": "s", "folder": str(folder)}
    )
    result = check(at_once, "s")
    assert result.exit_code == 1
    assert f"the study's run {run.info.run_id} is not stored in Optuna" in result.output
    assert check(at_once, "s", "--repair").exit_code == 0
    assert check(at_once, "s").output == "0 differences\n"
    assert at_once.client.get_run(run.info.run_id).info.status == "KILLED"
    ended = app("-m", "hydra.sweeper.n_trials=2", "hydra.sweeper.resume=s", path=tmp_path)
    assert ended.code == 0, ended.err
    parent, *_ = ended.runs("app")
    assert (parent.info.run_id, parent.info.status) == (run.info.run_id, "FINISHED")
    assert check(ended, "s").output == "0 differences\n"


def test_a_trial_of_a_dead_sweep_is_left_to_resume(swept: Ended) -> None:
    study = optuna.load_study(study_name="s", storage=f"sqlite:///{swept.path}/optuna.db")
    study.ask()
    result = check(swept, "s", "--repair")
    assert result.exit_code == 1
    assert "trial 3 is running, but its sweep is dead: a resume retries it" in result.output


def paused_trial(swept: Ended) -> tuple[str, Path]:
    """Add a paused trial to a study, as a training of this project leaves it.

    Returns:
        The id of its run, and its backup.
    """
    parent, *_ = swept.runs("app")
    study = swept.study("s")
    number, folder = len(study.trials), Path(study.user_attrs["folder"])
    tags = {Tags.KIND: Kind.TRIAL, "study": "s", "trial": number, "state": "PAUSED", "data": "d"}
    run = swept.client.create_run(
        parent.info.experiment_id,
        tags={k: str(v) for k, v in tags.items()} | {"mlflow.parentRunId": parent.info.run_id},
    )
    swept.client.set_terminated(run.info.run_id, "SCHEDULED")
    paused = TrialResult(State.PAUSED, 0.5, 1, "paused at epoch 1: weak", 2.0).to_json()
    attributes = {TrialAttrs.PAUSED: paused, TrialAttrs.RUN_ID: run.info.run_id}
    study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs=attributes))
    (folder / str(number)).mkdir()
    (folder / str(number) / "backup.npz").touch()
    return run.info.run_id, folder / str(number) / "backup.npz"


def test_a_paused_trial(swept: Ended) -> None:
    run_id, backup = paused_trial(swept)
    client = swept.client
    assert check(swept, "s").output == "0 differences\n"
    client.update_run(run_id, "RUNNING")
    client.set_tag(run_id, "state", "RUNNING")
    repaired = check(swept, "s", "--repair")
    assert repaired.output == (
        "trial 3 is PAUSED in Optuna, its run is RUNNING in MLflow: repaired\n"
        "trial 3 is PAUSED in Optuna, the tag of its run is RUNNING: repaired\n"
        "2 differences, 2 repaired\n"
    )
    run = client.get_run(run_id)
    assert (run.info.status, run.data.tags["state"]) == ("SCHEDULED", "PAUSED")
    assert backup.exists()
    backup.unlink()
    gone = check(swept, "s", "--repair")
    assert "trial 3 is paused, but its backup is gone: it starts anew if it goes on" in gone.output
    assert gone.exit_code == 1
    client.delete_tag(run_id, "data")  # as of an application of one's own, which has no backups
    assert check(swept, "s").output == "0 differences\n"
    client.delete_run(run_id)
    assert "trial 3 is PAUSED, but its run was deleted in MLflow" in check(swept, "s").output


@pytest.mark.slow
def test_a_study_with_pauses(app: Command) -> None:
    """No trial is paused after the end, but those that were paused then go on with a resume."""
    pausing = "{patience: 1, epochs: 4, seconds: 0.001, idle_epochs: 0.5}"
    arguments = ("-m", f"hydra.sweeper.pausing={pausing}", "hydra/launcher=in_process")
    ended = app(*arguments, "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=4")
    assert ended.code == 0, ended.err
    for n_trials in (4, 5):
        if n_trials > 4:
            again = f"hydra.sweeper.n_trials={n_trials}"
            ended = app(*arguments, "hydra.sweeper.resume=s", again, path=ended.path)
            assert ended.code == 0, ended.err
        assert check(ended, "s").output == "0 differences\n"
        snapshot = snapshot_of(ended.study("s"))
        states = [row.state for row in snapshot.rows]
        assert len(states) == n_trials
        shown = ended.runs("app")[0].data.metrics
        for state in ("complete", "pruned", "paused"):
            assert shown[f"trials_{state}"] == states.count(state.upper())
        assert max(len(snapshot.spans(row.trial)) for row in snapshot.rows) > 1


def test_an_unknown_study(swept: Ended) -> None:
    result = check(swept, "t")
    assert result.exit_code == 1
    assert "--storage: there is no study t in" in result.output
    assert "; there are s" in result.output


def test_a_study_of_another_schema_version(tmp_path: Path) -> None:
    study = optuna.create_study(study_name="s", storage=f"sqlite:///{tmp_path}/optuna.db")
    study.set_user_attr("schema_version", 2)
    result = check(Ended(tmp_path, 0, "", ""), "s")
    assert result.exit_code == 1
    assert result.output.startswith("Error: study s has schema version 2, but this rnnexp reads ")
    assert result.output.count("\n") == 1


def test_deliver_has_nothing_to_do(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["deliver", str(tmp_path)])
    output = "delivered the queued writes of 0 runs; writes of 0 runs are still queued\n"
    assert (result.exit_code, result.output) == (0, output)


def test_a_study_whose_runs_are_elsewhere(swept: Ended, tmp_path: Path) -> None:
    elsewhere = tmp_path / "mlflow.db"
    result = CliRunner().invoke(
        main,
        [
            "check", "s", f"--storage=sqlite:///{swept.path}/optuna.db",
            f"--tracking-uri=sqlite:///{elsewhere}",
        ],
    )  # fmt: skip
    assert result.exit_code == 1
    assert f"is not in sqlite:///{elsewhere}; give the tracking URI that the study" in result.output
    assert result.output.count("\n") == 1
    assert not elsewhere.exists()


def test_a_study_whose_name_has_quotes(app: Command) -> None:
    name = 'it\'s "a" b'
    quoted = name.replace("'", "\\'")
    ended = app("-m", "hydra.sweeper.n_trials=1", f"hydra.sweeper.study_name='{quoted}'")
    assert ended.code == 0, ended.err
    assert check(ended, name).output == "0 differences\n"
