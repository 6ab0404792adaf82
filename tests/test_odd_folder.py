"""A study in a folder whose name has a space, %, ? and #, from the sweep to the export."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from rnnexp.cli import main
from tests.helpers.commands import EAGER, Command, Ended

pytestmark = pytest.mark.slow

FLAGS = ("-m", "hydra.sweeper.n_jobs=1", EAGER)


@pytest.fixture(scope="module")
def swept(command: Command, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("odd") / "a b%20?#c"
    folder.mkdir()
    first = command(*FLAGS, "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=1", path=folder)
    assert first.code == 0, first.err
    return command(*FLAGS, "hydra.sweeper.resume=s", "hydra.sweeper.n_trials=2", path=folder)


def test_a_study_in_an_odd_folder(swept: Ended) -> None:
    assert swept.code == 0, swept.err
    assert "2 complete, 0 pruned, 0 fail" in swept.out
    assert "test accuracy" in swept.out
    assert "  multirun/s/report/report.html" in swept.out
    assert [folder.name for folder in swept.path.parent.iterdir()] == ["a b%20?#c"]
    assert {"mlflow.db", "optuna.db", "mlruns", "multirun"} <= swept.files()


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["studies"], "s"),
        (["check", "s"], "0 differences"),
        (["compare", "s"], "val_loss"),
        (["report", "s"], "report.html is among the artifacts of run"),
        (["export", "s/0", "exported model"], "exported model has the model of run"),
        (["deliver", "."], "writes of 0 runs are still queued"),
    ],
)
def test_commands_in_an_odd_folder(
    swept: Ended, monkeypatch: pytest.MonkeyPatch, arguments: list[str], shown: str
) -> None:
    monkeypatch.chdir(swept.path)
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert shown in result.output


def test_mlflow_itself_finds_the_store_of_an_odd_folder(
    swept: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(swept.path)
    import mlflow

    found = mlflow.search_runs(experiment_names=["rnnexp"], output_format="list")
    assert len(found) == 3
    config = f"runs:/{found[0].info.run_id}/environment.json"
    assert Path(mlflow.artifacts.download_artifacts(config)).is_file()
