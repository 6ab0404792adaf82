from pathlib import Path

import optuna
import pytest
from click.testing import CliRunner, Result

from rnnexp.cli import main
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
    told = check(swept, "s")
    assert (told.exit_code, told.output) == (0, "0 differences\n")


def test_what_differs_is_told_and_mended(swept: Ended) -> None:
    parent, *runs = swept.runs("app")
    client = swept.client
    client.set_terminated(runs[0].info.run_id, "RUNNING")
    client.set_tag(runs[1].info.run_id, "state", "RUNNING")
    experiment = runs[0].info.experiment_id
    nested = {"mlflow.parentRunId": parent.info.run_id}
    client.create_run(experiment, tags={"study": "s", "trial": "2", **nested})
    client.create_run(experiment, tags={"study": "s", "trial": "2"})  # another study's
    client.create_run(experiment, tags={k: parent.data.tags[k] for k in ("study", "folder")})
    client.set_terminated(parent.info.run_id, "RUNNING")
    folder = Path(swept.study("s").user_attrs["folder"]) / "2"
    (folder / "backup.pkl").touch()
    told = check(swept, "s")
    assert told.exit_code == 1
    for text in (
        "trial 0 is COMPLETE in Optuna, its run is RUNNING in MLflow",
        "trial 1 is COMPLETE in Optuna, its run's tag says RUNNING",
        "trial 2 has a second run in MLflow",
        "trial 2 has ended, but its backup is there",
        "the study has a second run in MLflow",
        "no sweep of the study is alive, its run is RUNNING in MLflow",
        "6 differences",
    ):
        assert text in told.output
    mended = check(swept, "s", "--repair")
    assert mended.exit_code == 0, mended.output
    assert mended.output.count("mended") == 7
    assert check(swept, "s").output == "0 differences\n"


def test_a_sweep_that_died_before_it_noted_its_run(app: Command, tmp_path: Path) -> None:
    """The study is made, then its run in MLflow, and only then does Optuna know of the run."""
    storage, folder = f"sqlite:///{tmp_path}/optuna.db", tmp_path / "multirun" / "s"
    study = optuna.create_study(study_name="s", storage=storage)
    at_once = Ended(tmp_path, 0, "", "")
    assert "the study has no folder: its sweep died as it began" in check(at_once, "s").output
    study.set_user_attr("folder", str(folder))
    assert "the study has no run in MLflow" in check(at_once, "s").output
    experiment = at_once.client.create_experiment("app")
    run = at_once.client.create_run(experiment, tags={"study": "s", "folder": str(folder)})
    told = check(at_once, "s")
    assert told.exit_code == 1
    assert f"the study's run {run.info.run_id} is not noted in Optuna" in told.output
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
    told = check(swept, "s", "--repair")
    assert told.exit_code == 1
    assert "trial 3 is running, but its sweep is dead: resume takes it up again" in told.output


def test_an_unknown_study(swept: Ended) -> None:
    told = check(swept, "t")
    assert told.exit_code == 1
    assert "there is no study t in" in told.output
    assert "; there are s" in told.output


def test_deliver_has_nothing_to_do(tmp_path: Path) -> None:
    told = CliRunner().invoke(main, ["deliver", str(tmp_path)])
    assert (told.exit_code, told.output) == (0, "0 runs have been completed, 0 still wait\n")


def test_a_study_whose_runs_are_elsewhere(swept: Ended, tmp_path: Path) -> None:
    elsewhere = tmp_path / "mlflow.db"
    told = CliRunner().invoke(
        main,
        [
            "check", "s", f"--storage=sqlite:///{swept.path}/optuna.db",
            f"--tracking-uri=sqlite:///{elsewhere}",
        ],
    )  # fmt: skip
    assert told.exit_code == 1
    assert "give its --tracking-uri" in told.output
    assert not elsewhere.exists()


def test_a_study_whose_name_has_quotes(app: Command) -> None:
    name = 'it\'s "a" b'
    quoted = name.replace("'", "\\'")
    ended = app("-m", "hydra.sweeper.n_trials=1", f"hydra.sweeper.study_name='{quoted}'")
    assert ended.code == 0, ended.err
    assert check(ended, name).output == "0 differences\n"
