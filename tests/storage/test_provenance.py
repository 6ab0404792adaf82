import json
import shutil
import subprocess
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from rnnexp.objective import objective_in
from rnnexp.storage.provenance import MAX_DIFF, environment, git_of, provenance_tags
from rnnexp.version import __version__
from tests.helpers.commands import ROOT, Command

COMMIT = {"commit": "abc", "dirty": True}


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one file, ``a.py``, in one commit."""
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("x = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "is_dirty"), [(None, False), ("a.py", True), ("mlflow.db", False)]
)
def test_what_git_tells(repository: Path, file: str | None, is_dirty: bool) -> None:
    if file:
        (repository / file).write_text("x = 2\n")
    (repository / "sub").mkdir()
    found = git_of(repository / "sub")
    assert found
    assert found.commit == git(repository, "rev-parse", "HEAD")
    assert found.dirty is is_dirty
    assert ("+x = 2" in found.diff) is is_dirty


def test_a_long_diff_is_cut_and_says_so(repository: Path) -> None:
    (repository / "a.py").write_text("x = 1\n" * 100_000)
    found = git_of(repository)
    assert found
    assert len(found.diff) == MAX_DIFF
    assert "cut here: the whole diff has 7" in found.diff.splitlines()[-1]


def test_where_git_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert git_of(tmp_path) is None
    assert git_of(tmp_path / "nowhere") is None
    monkeypatch.setenv("PATH", "")
    assert git_of(tmp_path) is None


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert git_of(tmp_path) is None


@pytest.mark.parametrize("commit", [None, COMMIT])
def test_the_environment(commit: dict[str, object] | None) -> None:
    found = json.loads(environment(commit))
    assert set(found) == {"python", "packages", "machine", "threads", "git"}
    assert {"rnnexp", "tensorflow", "optuna", "mlflow"} <= set(found["packages"])
    assert "pytest" not in found["packages"]
    assert found["machine"]["cores"] >= found["threads"] >= 1
    assert found["machine"]["memory_gb"] > 0
    assert found["git"] == commit


@pytest.mark.parametrize(
    ("config", "commit", "expected"),
    [
        ({}, None, {"objective": "max value"}),
        ({"objective": "x"}, None, {"objective": "max value"}),
        ({"seed": 0}, COMMIT,
         {"objective": "max value", "seed": 0, "mlflow.source.git.commit": "abc",
          "git.dirty": "true"}),
        ({"objective": {"mode": "min", "monitor": "val_loss"}, "seed": "${nothing}"}, None,
         {"objective": "min val_loss"}),
    ],
)  # fmt: skip
def test_tags(
    config: dict[str, object], commit: dict[str, object] | None, expected: dict[str, object]
) -> None:
    made = OmegaConf.create(config)
    tags = provenance_tags(made, objective_in(made, "maximize"), commit)
    tags["objective"] = str(tags["objective"])
    assert tags.pop("rnnexp.version") == __version__
    assert {name for name in tags if name not in expected} <= {
        "mlflow.user", "mlflow.source.name", "mlflow.source.type", "host", "worker", "device",
    }  # fmt: skip
    assert {name: tags[name] for name in expected} == expected


@pytest.mark.slow
def test_a_sweep_says_what_it_was_made_with(
    command: Command, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for name in ("app.py", "app.yaml"):
        shutil.copy(ROOT / "docs" / "examples" / name, repository)
    (repository / "a.py").write_text("x = 2\n")
    ended = command(
        "-m", "hydra.sweeper.n_trials=2", "hydra.sweep.dir=multirun/s", tiny=False,
        path=repository, script=repository / "app.py",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    commit = git(repository, "rev-parse", "HEAD")
    folder = tmp_path_factory.mktemp("downloads")
    parent, *trials = ended.runs("app")
    for run in (parent, *trials):
        tags = run.data.tags
        assert (tags["mlflow.source.git.commit"], tags["git.dirty"]) == (commit, "true")
        assert tags["objective"] == "min value"
        file = ended.client.download_artifacts(run.info.run_id, "environment.json", str(folder))
        assert json.loads(Path(file).read_text())["git"] == {"commit": commit, "dirty": True}
    diff = ended.client.download_artifacts(parent.info.run_id, "uncommitted.diff", str(folder))
    assert "+x = 2" in Path(diff).read_text()
    for number, run in enumerate(trials):
        assert run.data.tags["folder"] == str(repository / "multirun" / "s" / str(number))
        assert run.data.metrics["epochs"] == 10
        assert 0 < run.data.metrics["seconds"] < 60
        names = run.info.run_name.split()
        assert [name.partition("=")[0] for name in names] == ["x", "rate"]
        assert "uncommitted.diff" not in {
            item.path for item in ended.client.list_artifacts(run.info.run_id)
        }
    git(repository, "commit", "-qam", "second")
    more = command(
        "-m", "hydra.sweeper.resume=latest", "hydra.sweeper.n_trials=3",
        "hydra.sweep.dir=multirun/s", tiny=False, path=repository, script=repository / "app.py",
    )  # fmt: skip
    assert more.code == 0, more.err
    # Each sweep has its own commit, also while another sweep works on the study.
    found = more.study()
    commits = {
        trial.user_attrs["sweep"]: run.data.tags["mlflow.source.git.commit"]
        for trial, run in zip(found.trials, more.runs("app")[1:], strict=True)
    }
    assert list(commits.values()) == [commit, git(repository, "rev-parse", "HEAD")]
    for sweep, expected in commits.items():
        assert found.user_attrs[f"git:{sweep}"]["commit"] == expected


@pytest.mark.parametrize("is_stored", [True, False])
def test_the_diff_has_no_secret_and_can_be_switched_off(
    command: Command, repository: Path, tmp_path_factory: pytest.TempPathFactory, is_stored: bool
) -> None:
    for name in ("app.py", "app.yaml"):
        shutil.copy(ROOT / "docs" / "examples" / name, repository)
    (repository / "a.py").write_text("x = 2\npassword = 's3cret'\nurl = 'http://me:s3cret@h'\n")
    ended = command(
        "-m", "hydra.sweeper.n_trials=1", "hydra.sweep.dir=multirun/s", "steps=1",
        f"hydra.sweeper.tracking.uncommitted_diff={str(is_stored).lower()}", tiny=False,
        path=repository, script=repository / "app.py",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    run_id = ended.runs("app")[0].info.run_id
    names = {item.path for item in ended.client.list_artifacts(run_id)}
    assert ("uncommitted.diff" in names) is is_stored
    if is_stored:
        folder = tmp_path_factory.mktemp("downloads")
        diff = ended.client.download_artifacts(run_id, "uncommitted.diff", str(folder))
        assert "+x = 2\n+password = ***\n+url = 'http://me:***@h'\n" in Path(diff).read_text()
