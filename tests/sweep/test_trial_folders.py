"""The folders of trials: any name, all in one folder, never two trials in one."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from omegaconf import DictConfig

from rnnexp.storage.mlflow_store import MlflowStore
from rnnexp.storage.optuna_store import study_names
from rnnexp.storage.schema import Files, TrialAttrs
from rnnexp.storage.trial_folder import Owner, claim, job_in, lock_of, owner_of
from rnnexp.sweep.audit import audit
from rnnexp.sweep.trial_folders import subdir_problems
from tests.helpers.commands import ROOT, Command

STUDY = ("-m", "hydra.sweeper.study_name=s", "hydra.sweeper.params=null")
SAVING = ROOT / "tests" / "helpers" / "saving_app.py"


def opens_the_store(config: DictConfig, run_id: str) -> dict[str, float]:
    """Evaluate as an application does that reads its checkpoint from MLflow."""
    run = MlflowStore(config.hydra.sweeper.tracking.uri).client().get_run(run_id)
    return {"value": run.data.metrics["best_value"]}


@pytest.mark.slow
@pytest.mark.parametrize("folder", [".", "multirun"])
def test_every_folder_can_be_the_same_folder(tmp_path: Path, folder: str) -> None:
    uri, storage = (f"sqlite:///{tmp_path / folder}/{name}.db" for name in ("mlflow", "optuna"))
    (tmp_path / folder).mkdir(exist_ok=True)
    done = subprocess.run(
        [
            sys.executable, SAVING, *STUDY, "x=choice(1,2)", "hydra.sweeper.n_trials=2",
            "hydra.sweeper.n_jobs=1", f"hydra.sweep.dir={folder}", "hydra.sweeper.keep=1",
            f"hydra.sweeper.tracking.uri={uri}", f"hydra.sweeper.storage={storage}",
            "hydra.sweeper.checkpoints=['*.fake']",
            "hydra.sweeper.evaluate=tests.sweep.test_trial_folders.opens_the_store",
        ],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=120, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test value" in done.stdout
    assert len(list((tmp_path / folder).glob("*/model/*.fake"))) == 1


@pytest.mark.parametrize(
    "subdir",
    [
        "t${hydra.job.num}",
        "run_${hydra.job.num}/x",
        "${hydra.job.override_dirname}",
        "${now:%f}-${hydra.job.num}",
        "${hydra.sweeper.study_name}/a b/${x}",
    ],
)
def test_the_folder_of_a_trial_can_have_any_name(command: Command, subdir: str) -> None:
    ended = command(
        *STUDY, "x=choice(1,2,3)", "hydra.sweeper.n_trials=3", "hydra.sweeper.keep=1",
        "hydra.sweeper.checkpoints=['*.fake']", "hydra.sweep.dir=multirun/s",
        f"hydra.sweep.subdir='{subdir}'", tiny=False, script=SAVING,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert len(list(ended.path.rglob("multirun/**/*.fake"))) == 1
    study = ended.study("s")
    assert audit(study, ended.client) == []
    folders = [
        ended.path / "multirun" / "s" / trial.user_attrs[TrialAttrs.FOLDER]
        for trial in study.trials
    ]
    assert [owner_of(folder).trial for folder in folders] == [0, 1, 2]
    (folders[1] / Files.BACKUP).touch()
    texts = [difference.text for difference in audit(study, ended.client)]
    assert texts == ["trial 1 has ended, but its backup is there"]


@pytest.mark.slow
def test_the_folder_of_another_study_is_refused(app: Command) -> None:
    folder = "hydra.sweep.dir=multirun/shared"
    first = app("-m", "hydra.sweeper.study_name=a", "hydra.sweeper.n_trials=1", folder)
    before = {path: path.stat().st_mtime_ns for path in first.path.rglob("*") if path.is_file()}
    second = app(
        "-m", "hydra.sweeper.study_name=b", "hydra.sweeper.n_trials=1", folder, path=first.path
    )
    assert second.code == 1
    assert (
        "multirun/shared/0 is the folder of trial 0 of study a, whose files are not mixed with "
        "another trial's: give another hydra.sweep.dir, resume that study with "
        "hydra.sweeper.resume=a, or delete the folders of that study"
    ) in second.err
    assert study_names(f"sqlite:///{first.path}/optuna.db") == ["a"]
    now = {path: path.stat().st_mtime_ns for path in first.path.rglob("*") if path.is_file()}
    assert {path.name for path in now if now[path] != before.get(path)} <= {"mlflow.db"}
    shared = first.path / "multirun" / "shared"
    (shared / "0").rename(first.path / "moved")
    (shared / "1").mkdir()
    (shared / "1" / Files.TRIAL).write_text(json.dumps(asdict(Owner("a", "run", 1))))
    third = app("-m", "hydra.sweeper.study_name=b", folder, path=first.path)  # trial 0 has room
    assert third.code == 1
    assert "multirun/shared/1 is the folder of trial 1 of study a" in third.err
    shutil.rmtree(shared / "1")
    (first.path / "moved").rename(shared / "0")
    apart = app(
        "-m", "hydra.sweeper.study_name=c", "hydra.sweeper.n_trials=1", folder,
        "hydra.sweep.subdir='${hydra.sweeper.study_name}-${hydra.job.num}'", path=first.path,
    )  # fmt: skip
    assert apart.code == 0, apart.err
    more = app("-m", "hydra.sweeper.resume=a", "hydra.sweeper.n_trials=2", folder, path=first.path)
    assert more.code == 0, more.err


def test_two_trials_do_not_share_a_folder(app: Command) -> None:
    ended = app(
        *STUDY, "x=choice(1,2)", "hydra.sweeper.n_trials=2", "hydra.sweep.subdir='all-${rate}'"
    )
    assert [trial.state.name for trial in ended.study("s").trials] == ["COMPLETE", "FAIL"]
    reason = ended.study("s").trials[1].user_attrs[TrialAttrs.RESULT]["reason"]
    assert "/all-0.3 is the folder of trial 0 of study s" in reason


@pytest.mark.parametrize(
    ("subdir", "problem"),
    [
        ("${hydra.job.num}", None),
        ("a/${hydra.job.num}/b", None),
        ("all", "every trial needs a folder of its own"),
        ("../${hydra.job.num}", "are below hydra.sweep.dir"),
        ("/a/${hydra.job.num}", "are below hydra.sweep.dir"),
    ],
)
def test_what_the_folder_of_a_trial_can_be(subdir: str, problem: str | None) -> None:
    found = subdir_problems(subdir)
    assert (problem in found[0]) if problem else (found == [])


def test_a_folder_is_claimed_once(tmp_path: Path) -> None:
    mine, other = Owner("s", "run", 0), Owner("t", "another run", 0)
    assert owner_of(tmp_path) is None
    assert lock_of(tmp_path) == tmp_path
    with job_in(tmp_path):
        claim(tmp_path, mine)
        claim(tmp_path, mine)
    assert owner_of(tmp_path) == mine
    assert lock_of(tmp_path) == tmp_path / Files.TRIAL
    with pytest.raises(Exception, match="is the folder of trial 0 of study s"):
        claim(tmp_path, other)
    (tmp_path / Files.TRIAL).write_text("")  # torn by a power cut
    claim(tmp_path, other)
    assert owner_of(tmp_path) == other
