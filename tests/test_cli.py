from pathlib import Path

import optuna
import pytest
from click.testing import CliRunner, Result

from rnnexp.cli import main
from tests.conftest import Command, Ended


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
    _, *runs = swept.runs("app")
    client = swept.client
    client.set_terminated(runs[0].info.run_id, "RUNNING")
    client.set_tag(runs[1].info.run_id, "state", "RUNNING")
    experiment = runs[0].info.experiment_id
    client.create_run(experiment, tags={"study": "s", "trial": "2"})
    folder = Path(swept.study("s").user_attrs["folder"]) / "2"
    (folder / "backup.pkl").touch()
    told = check(swept, "s")
    assert told.exit_code == 1
    for text in (
        "trial 0 is COMPLETE in Optuna, its run is RUNNING in MLflow",
        "trial 1 is COMPLETE in Optuna, its run's tag says RUNNING",
        "trial 2 has a second run in MLflow",
        "trial 2 has ended, but its backup is there",
        "4 differences",
    ):
        assert text in told.output
    mended = check(swept, "s", "--repair")
    assert mended.exit_code == 0, mended.output
    assert mended.output.count("mended") == 5
    assert check(swept, "s").output == "0 differences\n"


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
