"""A study is deleted with everything that it has left, and with nothing else."""

import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from click.testing import CliRunner, Result
from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient

from rnnexp.cli import main
from rnnexp.storage.registry import CHAMPION
from rnnexp.storage.study_runs import study_runs
from rnnexp.storage.trial_folder import folders_of
from rnnexp.sweep.heartbeat import Heartbeat
from tests.helpers.commands import Command, Ended

PURGE = "mlflow gc --backend-store-uri"


def delete(ended: Ended, *arguments: str, uri: str = "") -> Result:
    stores = [
        f"--storage=sqlite:///{ended.path}/optuna.db",
        f"--tracking-uri={uri or f'sqlite:///{ended.path}/mlflow.db'}",
    ]
    return CliRunner().invoke(main, ["delete", *arguments, *stores])


def sweep(app: Command, name: str, path: Path | None = None) -> Ended:
    """Run a study of two trials in a folder that has its name."""
    folder = "hydra.sweep.dir='multirun/${hydra.sweeper.study_name}'"
    study = f"hydra.sweeper.study_name={name}"
    ended = app("-m", "hydra.sweeper.n_trials=2", study, folder, path=path)
    assert ended.code == 0, ended.err
    return ended


@pytest.fixture
def swept(app: Command) -> Ended:
    return sweep(app, "s")


def parent_of(ended: Ended, study: str) -> str:
    return str(ended.study(study).user_attrs["mlflow_run_id"])


def register(ended: Ended, study: str, name: str, *, is_champion: bool) -> None:
    """Log and register a model, as publishing does."""
    client, run_id = ended.client, parent_of(ended, study)
    experiment = client.get_run(run_id).info.experiment_id
    model = client.create_logged_model(experiment, name="trial-0", source_run_id=run_id)
    try:
        client.create_registered_model(name)
    except Exception:  # there is one already
        assert client.get_registered_model(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{ended.path}/mlflow.db")
        version = client.create_model_version(
            name, f"models:/{model.model_id}", run_id=run_id, model_id=model.model_id,
            await_creation_for=0,
        )  # fmt: skip
    if is_champion:
        client.set_registered_model_alias(name, CHAMPION, version.version)


def left_of(ended: Ended, study: str, run_id: str) -> list[str]:
    """Return where something of a study is left."""
    client: MlflowClient = ended.client
    experiment = client.get_run(run_id).info.experiment_id
    found = study_runs(client, run_id)
    left = ["run" for _ in found.runs] + ["model" for _ in found.models]
    left += ["version" for _ in found.versions]
    left += ["view" for tag in client.get_experiment(experiment).tags if tag.endswith(run_id)]
    left += ["folder"] if (ended.path / "multirun" / study).exists() else []
    names = optuna.get_all_study_names(f"sqlite:///{ended.path}/optuna.db")
    return left + (["study"] if study in names else [])


def test_a_study_goes_and_the_other_stays(app: Command, swept: Ended) -> None:
    sweep(app, "t", swept.path)
    register(swept, "s", "s", is_champion=False)
    register(swept, "t", "shared", is_champion=True)
    register(swept, "s", "shared", is_champion=False)
    run_id, other = parent_of(swept, "s"), parent_of(swept, "t")
    before = left_of(swept, "t", other)
    result = delete(swept, "s", "--yes")
    assert result.exit_code == 0, result.output
    assert "study s: 2 trials in Optuna\n3 runs in sqlite:///" in result.output
    assert "2 logged models: trial-0, trial-0\n" in result.output
    assert "version 1 of the registered model s\n" in result.output
    assert f"2 folders below {swept.path}/multirun/s, 0.0 MB\n" in result.output
    assert "study s is deleted\n" in result.output and PURGE in result.output
    assert left_of(swept, "s", run_id) == []
    assert left_of(swept, "t", other) == before
    names = [model.name for model in swept.client.search_registered_models()]
    assert names == ["shared"]  # which has a version of the other study
    deleted = swept.client.search_runs(
        [swept.client.get_run(run_id).info.experiment_id], run_view_type=ViewType.DELETED_ONLY
    )
    assert len(deleted) == 3
    assert delete(swept, "s", "--yes").exit_code == 1


def half_gone(swept: Ended, run_id: str) -> None:
    first, *_ = folders_of("s", run_id, swept.path / "multirun" / "s")
    (first / "app.log").unlink()
    swept.client.delete_run(study_runs(swept.client, run_id).nested[0].info.run_id)


def all_but_the_study_gone(swept: Ended, run_id: str) -> None:
    for folder in folders_of("s", run_id, swept.path / "multirun" / "s"):
        shutil.rmtree(folder)
    for run in study_runs(swept.client, run_id).runs:
        swept.client.delete_run(run.info.run_id)


@pytest.mark.parametrize("died", [half_gone, all_but_the_study_gone])
def test_the_same_command_finishes_what_was_interrupted(
    swept: Ended, died: Callable[[Ended, str], None]
) -> None:
    run_id = parent_of(swept, "s")
    died(swept, run_id)
    result = delete(swept, "s", "--yes")
    assert result.exit_code == 0, result.output
    assert left_of(swept, "s", run_id) == []


def test_files_that_are_not_the_studys_stay(app: Command) -> None:
    """Two studies share a folder, in which the user has files as well."""
    shared = (
        "hydra.sweep.dir=.",
        "hydra.sweep.subdir='${hydra.sweeper.study_name}-${hydra.job.num}'",
    )
    ended = app("-m", "hydra.sweeper.n_trials=1", "hydra.sweeper.study_name=s", *shared)
    app("-m", "hydra.sweeper.n_trials=1", "hydra.sweeper.study_name=t", *shared, path=ended.path)
    (ended.path / "report" / "mine.txt").write_text("a note")
    assert delete(ended, "s", "--yes").exit_code == 0
    assert {"t-0", "report", "optuna.db", "mlflow.db"} <= ended.files()
    assert "s-0" not in ended.files()
    assert delete(ended, "t", "--yes").exit_code == 0
    assert {"t-0", "optimization_results.yaml"} & ended.files() == set()
    assert [file.name for file in (ended.path / "report").iterdir()] == ["mine.txt"]


def test_a_running_study_and_a_champion_are_refused(swept: Ended) -> None:
    run_id = parent_of(swept, "s")
    with Heartbeat(swept.study("s")):
        running = delete(swept, "s", "--yes")
    assert running.exit_code == 1
    assert running.output == "Error: a sweep of study s is running; end it first, as with Ctrl-C\n"
    register(swept, "s", "reviews", is_champion=True)
    before = left_of(swept, "s", run_id)
    refused = delete(swept, "s", "--yes")
    assert refused.exit_code == 1
    assert "study s has made version 1 of reviews (champion) in MLflow's registry" in refused.output
    assert refused.output.count("\n") == 1
    assert left_of(swept, "s", run_id) == before
    assert delete(swept, "s", "--yes", "--champion").exit_code == 0
    assert left_of(swept, "s", run_id) == []
    assert not swept.client.search_registered_models()


@pytest.mark.slow
def test_a_question_is_asked_on_a_terminal_only(swept: Ended) -> None:
    result = delete(swept, "s")
    assert result.exit_code == 1
    assert "study s: 2 trials in Optuna" in result.output
    assert "Error: nothing was deleted, since there is no terminal to ask on" in result.output
    for answer in ("", "y"):
        names = optuna.get_all_study_names(f"sqlite:///{swept.path}/optuna.db")
        assert names == ["s"]
        code, out = typed(swept.path, answer)
        assert "Delete all of this? [y/N]: " in out
        assert code == (0 if answer == "y" else 1), out
    assert not optuna.get_all_study_names(f"sqlite:///{swept.path}/optuna.db")


def typed(folder: Path, answer: str) -> tuple[int, str]:
    """Run the command on a terminal, and type an answer.

    Returns:
        The exit code and the output.
    """
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from rnnexp.cli import main; main()", "delete", "s"]
    with subprocess.Popen(
        command, cwd=folder, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    ) as process:  # fmt: skip
        os.write(ours, f"{answer}\n".encode())
        out, _ = process.communicate(timeout=120)
    os.close(ours)
    os.close(theirs)
    return process.returncode, out


def test_what_is_no_study_and_no_single_run(swept: Ended, tmp_path: Path) -> None:
    run = study_runs(swept.client, parent_of(swept, "s")).nested[0].info.run_id
    for name in ("s/0", run[:12]):
        result = delete(swept, name, "--yes")
        assert result.exit_code == 1
        assert "of study s, which would still count the trial; delete the whole" in result.output
    unknown = delete(swept, "nothing", "--yes")
    assert unknown.exit_code == 1
    assert "there is no study or run nothing" in unknown.output
    elsewhere = tmp_path / "mlflow.db"
    lost = delete(swept, "s", "--yes", uri=f"sqlite:///{elsewhere}")
    assert lost.exit_code == 1
    assert f"is not in sqlite:///{elsewhere}; give the tracking URI that the study" in lost.output
    assert not elsewhere.exists()
    assert left_of(swept, "s", parent_of(swept, "s"))


def test_a_single_run(swept: Ended, tmp_path: Path) -> None:
    experiment = swept.client.get_run(parent_of(swept, "s")).info.experiment_id
    tags = {"rnnexp.kind": "run", "rnnexp.schema": "1", "folder": str(tmp_path)}
    run_id = swept.client.create_run(experiment, tags=tags).info.run_id
    result = delete(swept, run_id[:12], "--yes")
    assert result.exit_code == 0, result.output
    assert swept.client.get_run(run_id).info.lifecycle_stage == "deleted"
    assert f"its folder stays: {tmp_path}" in result.output
    assert tmp_path.exists()
