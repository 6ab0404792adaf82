"""The commands of docs/howto/steering.md, as its two terminals run them."""

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from rnnexp.cli import main
from rnnexp.storage.optuna_store import is_paused
from tests.helpers.commands import ROOT, Ended
from tests.helpers.docs import DOCS
from tests.helpers.processes import Processes, wait_until

PAGE = (DOCS / "howto" / "steering.md").read_text(encoding="utf-8")


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    started = Processes(tmp_path)
    yield started
    started.stop()


@pytest.mark.slow
def test_both_terminals(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    program, script, *arguments = shlex.split(first)
    assert (program, script) == ("python", "sweep.py")
    monkeypatch.chdir(tmp_path)
    sweep = processes.start("sweep", sys.executable, str(ROOT / script), *arguments)
    ended = Ended(tmp_path, 0, "", "")

    def is_training() -> bool:
        if not (tmp_path / "multirun" / "long" / "1").exists():
            return False
        trials = ended.study("long").trials
        return len(trials) > 1 and bool(trials[0].intermediate_values)

    def is_idle() -> bool:
        running = [t for t in ended.study("long").trials if t.state.name == "RUNNING"]
        return all(map(is_paused, running))

    def log() -> str:
        return processes.log("sweep")

    wait_until(lambda: sweep.poll() is not None or is_training(), log)
    for line in second.splitlines():
        result = CliRunner().invoke(main, shlex.split(line)[1:])
        assert result.exit_code == 0, f"{line}\n{result.output}{log()}"
        if line == "rnnexp pause long":
            wait_until(is_idle, log)
    assert sweep.wait(300) == 0, log()
    study = ended.study("long")
    assert study.trials[1].state.name == "PRUNED"
    assert "stopped by rnnexp stop" in study.trials[1].user_attrs["result"]["reason"]
    assert "Stopped: stopped by rnnexp stop" in log()
