import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest

from rnnexp.storage.schema import StudyAttrs, TrialAttrs
from rnnexp.sweep.heartbeat import (
    Heartbeat,
    evaluated_trials,
    is_alive,
    live_sweeps,
    stale_trials,
)

BEATING = """
import sys
import optuna
from rnnexp.sweep.heartbeat import Heartbeat
with Heartbeat(optuna.load_study(study_name="s", storage=sys.argv[1])) as heartbeat:
    print(heartbeat.sweep_id, flush=True)
    sys.stdin.read()
"""


def last_beat(study: optuna.Study, sweep: str) -> dict[str, Any]:
    beat: dict[str, Any] = study.user_attrs[StudyAttrs.HEARTBEAT + sweep]
    return beat


@pytest.mark.slow
def test_a_sweep_is_dead_when_its_process_is(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/optuna.db"
    study = optuna.create_study(study_name="s", storage=storage)
    process = subprocess.Popen(
        [sys.executable, "-c", BEATING, storage],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    assert process.stdin
    sweep = process.stdout.readline().strip()
    trial = study.ask()
    trial.set_user_attr(TrialAttrs.SWEEP, sweep)
    assert stale_trials(study) == []
    process.kill()
    process.communicate()
    assert stale_trials(study) == [0]
    # Another process may have the dead one's number by now.
    with Heartbeat(study) as mine:
        reused = last_beat(study, sweep) | {"pid": last_beat(study, mine.sweep_id)["pid"]}
        assert not is_alive(reused, time.time())


@pytest.mark.parametrize(("silence", "alive"), [(5.0, True), (100.0, False)])
def test_a_sweep_on_another_machine_has_a_grace_period(
    tmp_path: Path, silence: float, alive: bool
) -> None:
    storage = f"sqlite:///{tmp_path}/optuna.db"
    study = optuna.create_study(study_name="s", storage=storage)
    with Heartbeat(study) as heartbeat:
        beat = last_beat(study, heartbeat.sweep_id) | {"host": "elsewhere"}
    assert is_alive(beat, beat["time"] + silence) is alive


def test_the_last_sweep_of_a_study_is_alone(tmp_path: Path) -> None:
    study = optuna.create_study(storage=f"sqlite:///{tmp_path}/optuna.db")
    with Heartbeat(study) as first:
        assert first.is_alone()
        with Heartbeat(study) as second:
            assert not first.is_alone()
            assert not second.is_alone()
        assert first.is_alone()


def test_a_sweep_that_has_ended_is_dead_though_its_process_is_not(tmp_path: Path) -> None:
    study = optuna.create_study(study_name="s", storage=f"sqlite:///{tmp_path}/optuna.db")
    with Heartbeat(study) as heartbeat:
        study.ask().set_user_attr(TrialAttrs.SWEEP, heartbeat.sweep_id)
        assert (stale_trials(study), live_sweeps(study)) == ([], {heartbeat.sweep_id})
    assert (stale_trials(study), live_sweeps(study)) == ([0], set())


def test_without_a_heartbeat_a_sweep_is_dead() -> None:
    assert not is_alive(None, time.time())


def test_a_sweep_says_which_trial_it_evaluates_as_long_as_it_lives(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/optuna.db"
    study = optuna.create_study(study_name="s", storage=storage)
    with Heartbeat(study) as one, Heartbeat(study) as other:
        assert evaluated_trials(study) == set()
        one.evaluates(3)
        other.evaluates(4)
        assert evaluated_trials(study) == {3, 4}
        other.evaluates(None)
        assert evaluated_trials(study) == {3}
        dead = last_beat(study, one.sweep_id) | {"started": 1.0, "evaluates": 5}
        study.set_user_attr(f"{StudyAttrs.HEARTBEAT}dead", dead)
        assert evaluated_trials(study) == {3}
    assert evaluated_trials(study) == set()
