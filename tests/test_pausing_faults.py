"""Sweeps with paused trials whose processes are really killed: nothing is lost or doubled.

The moments are drawn as in test_faults.py, by the options ``--kills`` and ``--seed``.
"""

import random
import sys
import time
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from rnnexp.sweep.audit import audit
from tests.helpers.commands import EAGER, ROOT, Command, Ended, metrics
from tests.test_faults import (  # noqa: F401
    Start,
    draw_signals,
    kills,
    rng,
    share_a_study,
    start,
    wait_for_a_trial,
    workers,
)

pytestmark = pytest.mark.slow
LIMIT, STEPS, N_TRIALS = 400, 6, 6
# Every trial pauses at step 1, and after every slice of one step, until its last step.
APP = (
    sys.executable, str(ROOT / "tests" / "helpers" / "pausing_app.py"), "-m", f"steps={STEPS}",
    "+seconds=0.1", "x=interval(4.5,6)", "hydra.sweeper.params=null", "rate=choice(0.2,0.4)",
    "hydra.sweeper.tracking.experiment=rnnexp", "hydra.sweeper.n_jobs=2",
    "hydra.sweeper.pruner._target_=optuna.pruners.NopPruner", f"hydra.sweeper.n_trials={N_TRIALS}",
    "hydra.sweeper.pausing={patience:1,epochs:1,seconds:0.001,idle_epochs:1000}",
    "hydra.sweeper.retries=1000",
)  # fmt: skip


def assert_nothing_lost_or_doubled(path: Path, ended: Ended | None = None) -> None:
    ended = ended or Ended(path, 0, "", "")
    trials = ended.study("s").trials
    assert [trial.number for trial in trials] == list(range(N_TRIALS))
    parent, *runs = ended.runs()
    assert parent.info.status == "FINISHED"
    assert [run.data.tags["trial"] for run in runs] == [str(n) for n in range(N_TRIALS)]
    for trial, run in zip(trials, runs, strict=True):
        assert (trial.state.name, run.info.status) == ("COMPLETE", "FINISHED")
        assert run.data.tags["state"] == "COMPLETE"
        error, expected = 1.0, {}
        for step in range(STEPS):
            error += trial.params["rate"] * (0.1 + (trial.params["x"] - 3) ** 2 - error)
            expected[step] = error
        assert trial.intermediate_values == expected
        assert metrics(ended, run, "value") == list(expected.items())
    assert list(map(str, audit(ended.study("s"), ended.client))) == []


@pytest.mark.parametrize("victim", ["sweep", "worker"])
def test_killed_while_trials_pause_and_go_on(
    start: Start,  # noqa: F811
    tmp_path: Path,
    kills: int,  # noqa: F811
    rng: random.Random,  # noqa: F811
    victim: str,
) -> None:
    sweep = start("hydra.sweeper.study_name=s", command=APP)
    wait_for_a_trial(tmp_path, sweep)
    for number in draw_signals(rng, kills):
        time.sleep(rng.uniform(0, 3))
        if sweep.poll() is not None:
            break
        if victim == "worker":
            if alive := workers(sweep):
                rng.choice(alive).send_signal(number)
            continue
        old_workers = workers(sweep)
        sweep.send_signal(number)
        sweep.communicate(timeout=100)
        psutil.wait_procs(old_workers, timeout=10)
        sweep = start("hydra.sweeper.resume=latest", command=APP)
        while not workers(sweep) and sweep.poll() is None:
            time.sleep(0.1)
    out, _ = sweep.communicate(timeout=LIMIT)
    assert sweep.returncode == 0, out
    assert_nothing_lost_or_doubled(tmp_path)


def test_two_sweeps_never_let_the_same_trial_go_on(start: Start, tmp_path: Path) -> None:  # noqa: F811
    share_a_study(start, tmp_path, APP, LIMIT)
    assert_nothing_lost_or_doubled(tmp_path)
    for trial in Ended(tmp_path, 0, "", "").study("s").trials:
        slices = trial.user_attrs["slices"]
        assert len(slices) == STEPS
        assert all(end <= begin for (_, end), (begin, _) in pairwise(slices))


LOGGED = {
    "none": "resumed after epoch 1",
    "missing": "there is no backup of the 2 epochs that were reported: they are trained again",
    "empty": "the backup can't be read: EOFError",
    "torn": "the backup can't be read: BadZipFile",
    "other": "the backup is of another run, another",
}


def test_a_trial_without_its_backup_starts_anew(command: Command) -> None:
    """Trials with equal params, whose backups are damaged while they are paused after epoch 1."""
    damage = "_target_:tests.helpers.failing.DamageBackup,folder:${hydra:runtime.output_dir}"
    ended = command(
        "-m", "hydra.sweeper.study_name=s", "deterministic=true", EAGER, "fit.epochs=5",
        "pruner=none",
        "callbacks=[model_checkpoint,csv_logger]", f"+callbacks.damage={{{damage},kind:none}}",
        "hydra.sweeper.params=null", f"callbacks.damage.kind=choice({','.join(LOGGED)})",
        "hydra.sweeper.pausing={patience:null,epochs:2,seconds:0.001,idle_epochs:100}",
        f"hydra.sweeper.n_trials={len(LOGGED)}", "hydra.sweeper.n_jobs=1",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    curves = []
    for trial, run in zip(ended.study("s").trials, ended.runs()[1:], strict=True):
        kind = trial.params["callbacks.damage.kind"]
        folder = ended.path / "multirun" / "s" / str(trial.number)
        assert LOGGED[kind] in (folder / "sweep.log").read_text()
        assert run.data.tags["state"] == trial.state.name == "COMPLETE"
        curves.append(
            [
                metrics(ended, run, "val_loss"),
                sorted(trial.intermediate_values.items()),
                [(trial.user_attrs["result"]["best_epoch"], trial.value)],
                (folder / "epochs.csv").read_text(),
            ]
        )
    assert len(curves[0][0]) == len(curves[0][1]) == 5
    assert all(curve == curves[0] for curve in curves)
