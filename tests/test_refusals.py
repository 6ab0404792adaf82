"""A refusal is a message for a person, and leaves every folder as it was."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from rnnexp.cli import main
from tests.helpers.commands import Command

AROUND = ("Error executing job", "HYDRA_FULL_ERROR", "Traceback")


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Return every file with its content, and every folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture(scope="module")
def lived_in(app: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished study ``s`` and a file that is no table."""
    folder = tmp_path_factory.mktemp("lived_in")
    ended = app("-m", "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=2", path=folder)
    assert ended.code == 0, ended.err
    (folder / "a.csv").write_text("text,label\n")
    return folder


@pytest.mark.parametrize("has_study", [False, True])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit.batch_size=0"], "fit.batch_size=0: must be a whole number"),
        (["checkpoint=nothing.keras"], "checkpoint=nothing.keras: there is no such file"),
        (["tracking.uri=http://127.0.0.1:9"], "Connection refused"),
        (["data=table", "data.train=a.csv", "data.test=a.csv"], "a.csv"),
        (["objective.monitor=val_acc"], "objective.monitor=val_acc: no metric has this name"),
        (["hydra.run.dir=.", "seed=-1"], "seed=-1: must be a whole number"),
        (["-m", "fit.batch_size=0"], "fit.batch_size=0: must be a whole number"),
        (["-m", "hydra.sweeper.resume=nothing"], "nothing"),
        (["-m", "sampler._target_=optuna.samplers.Nope"], "hydra.sweeper.sampler"),
        (["-m", "model=choice(lstm,lstmm)"], "Could not find 'model/lstmm'"),
        (["-m", "hydra.sweep.dir=.", "hydra.sweeper.n_trials=0"], "hydra.sweeper.n_trials=0"),
    ],
)
def test_a_refused_command(
    command: Command,
    lived_in: Path,
    tmp_path: Path,
    arguments: list[str],
    message: str,
    has_study: bool,
) -> None:
    folder = lived_in if has_study else tmp_path
    before = snapshot(folder)
    ended = command(*arguments, path=folder, tiny="data=table" not in arguments)
    assert ended.code == 1
    assert message in ended.err
    assert not any(text in ended.err for text in AROUND)
    assert snapshot(folder) == before


def test_a_study_name_that_is_taken(command: Command, lived_in: Path) -> None:
    before = snapshot(lived_in)
    ended = command("-m", "hydra.sweeper.study_name=s", path=lived_in)
    assert ended.code == 1
    assert "resume it with hydra.sweeper.resume=s" in ended.err
    assert not any(text in ended.err for text in AROUND)
    assert snapshot(lived_in) == before


@pytest.mark.parametrize("has_study", [False, True])
@pytest.mark.parametrize(
    "line",
    [
        "compare nothing", "compare s/7 nothing", "diff nothing s/9", "report nothing",
        "check nothing", "replay nothing", "confirm nothing", "export nothing model",
        "publish nothing", "deliver nothing", "rename nothing new", "delete nothing --yes",
    ],
)  # fmt: skip
def test_a_refused_question(
    lived_in: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    has_study: bool,
) -> None:
    folder = lived_in if has_study else tmp_path
    before = snapshot(folder)
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(main, line.split())
    assert result.exit_code in (1, 2), result.output
    assert isinstance(result.exception, SystemExit)
    assert result.output.startswith(("Error: ", "Usage: "))
    assert snapshot(folder) == before


def test_a_look_at_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["studies"])
    assert result.output.startswith("Error: ")
    assert snapshot(tmp_path) == {}


BUGGY = """
import keras

class Bug(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise ValueError("a bug of one's own")
"""


def test_a_bug_still_shows_its_traceback(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "buggy.py").write_text(BUGGY)
    monkeypatch.syspath_prepend(tmp_path)
    ended = command("+callbacks.bug._target_=buggy.Bug", path=tmp_path)
    assert ended.code == 1
    assert "Traceback" in ended.err
    assert "in on_epoch_end" in ended.err
    assert "ValueError: a bug of one's own" in ended.err
