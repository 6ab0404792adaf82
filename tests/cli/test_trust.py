"""Commands that make something of an archived run, whose config names code of others."""

import os
import pickle
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from omegaconf import OmegaConf

from rnnexp.cli import main
from tests.helpers.commands import EAGER, Command, Ended

COMMANDS = [
    ["export", "s/0", "model"], ["publish", "s"], ["replay", "s/0"], ["confirm", "s"],
    ["evaluate", "s"], ["predict", "s", "-"],
]  # fmt: skip


class Attack:
    """What makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> object:
        return os.mkdir, (str(self.folder),)


@pytest.fixture(scope="module")
def attacked(command: Command) -> Ended:
    """A study whose best trial's config was replaced by another, as by whoever can write there."""
    ended = command(
        "-m", EAGER, "fit.epochs=1", "hydra.sweeper.n_trials=1", "hydra.sweeper.study_name=s",
        "hydra.sweeper.registered_model_name=null",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    (ended.path / "attack.pkl").write_bytes(pickle.dumps(Attack(ended.path / "run")))
    run = ended.runs()[1]
    stored = ended.client.download_artifacts(run.info.run_id, "config.yaml")
    config = OmegaConf.load(stored)
    OmegaConf.update(
        config,
        "data",
        {"_target_": "pandas.read_pickle", "filepath_or_buffer": str(ended.path / "attack.pkl")},
        merge=False,
    )
    ended.client.log_text(run.info.run_id, OmegaConf.to_yaml(config), "config.yaml")
    return ended


def invoke(ended: Ended, *arguments: str) -> Result:
    store = f"--tracking-uri=sqlite:///{ended.path}/mlflow.db"
    return CliRunner().invoke(main, [*arguments, store])


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: arguments[0])
def test_a_stored_config_runs_no_code_of_others(
    attacked: Ended, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    refused = invoke(attacked, *arguments)
    assert refused.exit_code == 1
    assert "its config has more in it than rnnexp, Keras and Optuna: " in refused.output
    assert "data._target_=pandas.read_pickle; give --trust if you trust" in refused.output
    assert not (attacked.path / "run").exists()
    assert not list(tmp_path.iterdir())


def test_it_does_for_those_who_trust_the_run(
    attacked: Ended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    invoke(attacked, "export", "s/0", "model", "--trust")
    assert (attacked.path / "run").exists()
    (attacked.path / "run").rmdir()
