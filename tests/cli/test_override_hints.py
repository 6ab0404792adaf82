"""What Hydra takes is never refused, and what it refuses is explained."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig

from tests.helpers.commands import ROOT, Command, run_here

JOB = ("--cfg", "job", "-p")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config folder of the user's own, ``conf2``."""
    folder = tmp_path_factory.mktemp("own")
    for name, text in {
        "data/mine.yaml": "defaults: [table]\ntrain: rows.csv\ntest: rows.csv\n",
        "sweeps/bare.yaml": "n_trials: 2\nparams:\n  model.units: choice(2, 4)\n",
        "callbacks/stop.yaml": "stop:\n  _target_: keras.callbacks.TerminateOnNaN\n",
        "extra/big.yaml": "size: 9\n",
    }.items():
        file = folder / "conf2" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["--config-dir", "conf2", "data=mine", *JOB, "data"], "train: rows.csv"),
        (["hydra.searchpath=[file://conf2]", "data=mine", *JOB, "data"], "train: rows.csv"),
        (["--config-dir", "conf2", "callbacks=[stop]", *JOB, "callbacks"], "TerminateOnNaN"),
        (["--config-dir", "conf2", "+extra=big", *JOB, "extra"], "size: 9"),
        (["--config-dir=conf2", "+extra@own=big", *JOB, "own"], "size: 9"),
        (["-sc", "install=bash"], "hydra_bash_completion"),
        (["--shell-completion", "install=bash"], "hydra_bash_completion"),
        (["-sc", "install=zsh"], "bash"),
        (["--info", "searchpath"], "conf"),
        (["--hydra-help"], "Hydra"),
        (["+own=1", *JOB, "own"], "1"),
        (["++own.a=1", *JOB, "own"], "a: 1"),
        (["~evaluate", *JOB, "model"], "units"),
        (["callbacks=[]", *JOB, "model"], "units"),
        (["checkpoint=", *JOB, "checkpoint"], ""),
        (["+names={a:[1,{b:2}],c:'x, y'}", *JOB, "names"], "c: x, y"),
        (['+own.text="a = b"', *JOB, "own"], "text: a = b"),
        (["evaluate={batch_size:3}", *JOB, "evaluate"], "batch_size: 3"),
    ],
)
def test_what_hydra_takes(own: Path, arguments: list[str], printed: str) -> None:
    try:
        ended = run_here(ROOT / "sweep.py", arguments, own)
    finally:
        HydraConfig.instance().cfg = None  # `--cfg` leaves it, since its process ends
    assert ended.code == 0, ended.err
    assert printed in ended.out
    assert ended.files() == {"conf2"}
    assert "Hint" not in ended.err


@pytest.mark.parametrize(
    ("argument", "hint"),
    [
        ("modle=lstm", "did you mean model?"),
        ("model.unitz=3", "did you mean units?"),
        ("hydra.sweeper.n_trial=3", "did you mean n_trials?"),
        ("model=lstmm", "did you mean lstm?"),
        ("callbacks=[csv_loger]", "did you mean csv_logger?"),
        ("data.text=리뷰", "\"data.text='리뷰'\""),
        ("data.text=choice(리뷰,글)", "\"data.text=choice('리뷰','글')\""),
        ("tracking.uri=http://a?b=1", "\"tracking.uri='http://a?b=1'\""),
        ("data.train=~/a.csv", '"data.train=$HOME/a.csv"'),
        ("model.units", "'model.units' is not KEY=VALUE"),
        (
            "objective=[{monitor:val_loss},{monitor:parameters}]",
            "the list of the others as 'objective.others=[{monitor:parameters}]'",
        ),
        (
            "fit.class_weight={'긍정':2.0,'부정':1.0}",
            "weights can also be a list, in the order of the classes: 'fit.class_weight=[1.0,2.0]'",
        ),
        ("+fit.class_weight.긍정=2.0", "in the order of the classes: 'fit.class_weight=[1.0,2.0]'"),
        (
            "+own={'리뷰':1}",
            "in the keys of a dict, Hydra takes ASCII letters only, and no quotes",
        ),
    ],
)
@pytest.mark.parametrize("mode", [["-m"], []])
def test_a_hint(command: Command, mode: list[str], argument: str, hint: str) -> None:
    ended = command(*mode, argument, tiny=False)
    assert ended.code == 1
    assert hint in ended.err
    assert "HYDRA_FULL_ERROR" not in ended.err
    assert "Traceback" not in ended.err
    assert ended.files() == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    "folder", [["--config-dir=conf2"], ["hydra.searchpath=[file://conf2]"], ["-cd", "conf2"]]
)
def test_a_search_over_a_group_of_ones_own(own: Path, tmp_path: Path, folder: list[str]) -> None:
    shutil.copytree(own / "conf2", tmp_path / "conf2")
    (tmp_path / "conf2" / "extra" / "small.yaml").write_text("size: 1\n")
    script = ROOT / "docs" / "examples" / "app.py"
    arguments = ["-m", *folder, "hydra.sweeper.params=null", "+extra=glob(*)", "extra.size=2,3"]
    few = ["hydra.sweeper.n_trials=9", "hydra/launcher=in_process"]
    ended = run_here(script, [*arguments, *few], tmp_path)
    assert ended.code == 0, ended.err
    params = [(t.params["extra"], t.params["extra.size"]) for t in ended.study().trials]
    assert sorted(params) == [("big", 2), ("big", 3), ("small", 2), ("small", 3)]


def test_no_callbacks(command: Command) -> None:
    ended = command("callbacks=null", tiny=False)  # for which Hydra has a traceback alone
    assert ended.err == (
        "Config group override must be a string or a list. Got NoneType\n"
        "Hint: a config group takes names of its files; 'callbacks=[]' chooses no callbacks\n"
    )


def test_a_file_of_sweeps_without_its_first_line(command: Command, own: Path) -> None:
    ended = command("-m", "--config-dir=conf2", "sweeps=bare", path=own, tiny=False)
    assert ended.code == 1
    assert "sweeps/bare.yaml: its first line must be '# @package hydra.sweeper'" in ended.err
    assert ended.files() == {"conf2"}


def test_a_reader_that_has_enough(tmp_path: Path) -> None:
    command = shlex.join([sys.executable, str(ROOT / "sweep.py")])
    ended = subprocess.run(
        ["bash", "-c", f"{command} -sc install=bash | read line"],  # noqa: S607
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stderr == ""
