import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest

from rnnexp.sweep.heartbeat import OWNER, SWEEP, Owner, is_alive, stale_trials, sweeps_alive

SIGN = """
import sys
import optuna
from rnnexp.sweep.heartbeat import Owner
with Owner(optuna.load_study(study_name="s", storage=sys.argv[1])) as owner:
    print(owner.id, flush=True)
    sys.stdin.read()
"""


def sign_of(study: optuna.Study, owner: str) -> dict[str, Any]:
    sign: dict[str, Any] = study.user_attrs[SWEEP + owner]
    return sign


def test_a_sweep_is_dead_when_its_process_is(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/optuna.db"
    study = optuna.create_study(study_name="s", storage=storage)
    process = subprocess.Popen(
        [sys.executable, "-c", SIGN, storage],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    assert process.stdin
    owner = process.stdout.readline().strip()
    trial = study.ask()
    trial.set_user_attr(OWNER, owner)
    assert stale_trials(study) == []
    process.kill()
    process.communicate()
    assert stale_trials(study) == [0]
    # Another process may have its number by now.
    with Owner(study) as mine:
        reused = sign_of(study, owner) | {"pid": sign_of(study, mine.id)["pid"]}
        assert not is_alive(reused, time.time())


@pytest.mark.parametrize(("silence", "alive"), [(5.0, True), (100.0, False)])
def test_of_another_machine_only_the_signs_are_known(
    tmp_path: Path, silence: float, alive: bool
) -> None:
    storage = f"sqlite:///{tmp_path}/optuna.db"
    study = optuna.create_study(study_name="s", storage=storage)
    with Owner(study) as owner:
        sign = sign_of(study, owner.id) | {"host": "elsewhere"}
    assert is_alive(sign, sign["time"] + silence) is alive


def test_the_last_sweep_of_a_study_is_alone(tmp_path: Path) -> None:
    study = optuna.create_study(storage=f"sqlite:///{tmp_path}/optuna.db")
    with Owner(study) as first:
        assert first.is_alone()
        with Owner(study) as second:
            assert not first.is_alone()
            assert not second.is_alone()
        assert first.is_alone()


def test_a_sweep_that_has_ended_is_dead_though_its_process_is_not(tmp_path: Path) -> None:
    study = optuna.create_study(study_name="s", storage=f"sqlite:///{tmp_path}/optuna.db")
    with Owner(study) as owner:
        study.ask().set_user_attr(OWNER, owner.id)
        assert (stale_trials(study), sweeps_alive(study)) == ([], {owner.id})
    assert (stale_trials(study), sweeps_alive(study)) == ([0], set())


def test_nobody_signed() -> None:
    assert not is_alive(None, time.time())
