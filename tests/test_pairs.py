"""Every command works after every other, on one study."""

import shutil
import sys
from collections.abc import Callable
from itertools import pairwise, product
from pathlib import Path

import pytest
from click.testing import CliRunner
from omegaconf import OmegaConf

from rnnexp.cli import main
from rnnexp.reproduce.confirm import Confirmation
from rnnexp.reproduce.replay import replay
from rnnexp.storage.run_reader import RunReader
from tests.helpers.commands import EAGER, Command

HERE = OmegaConf.create({"_target_": "rnnexp.execution.executors.InProcessExecutor"})
SWEEP = (
    "-m", "data.n_train=60", "data.n_test=20", "data.maxlen=8", "model.embedding_size=4",
    "model.units=4", "fit.epochs=1", "pruner=none", "sampler=random", EAGER,
    "hydra.sweeper.params=null", "hydra.sweeper.check=null", "hydra.sweeper.keep=all",
    "compile.optimizer.learning_rate=interval(0.001,0.01)",
)  # fmt: skip
COMMANDS = (
    "resume", "share", "confirm", "replay", "publish", "export", "report", "check", "deliver",
    "compare",
)  # fmt: skip


def every_pair(names: tuple[str, ...]) -> list[str]:
    """Return a sequence in which each name follows each name once: a de Bruijn sequence."""
    found = []
    for n, name in enumerate(names):
        found.append(name)
        for other in names[n + 1 :]:
            found += [name, other]
    return [*found, names[0]]


def test_every_pair() -> None:
    assert sorted(pairwise(every_pair(COMMANDS))) == sorted(product(COMMANDS, repeat=2))


class Study:
    """One study, and the commands on it; each takes its place in the sequence."""

    def __init__(self, command: Command, folder: Path) -> None:
        self.command = command
        self.folder = folder
        self.n_trials = 1
        self.sweep("hydra.sweeper.study_name=s")

    def run(self, name: str, number: int) -> None:
        method: Callable[[int], None] | None = getattr(self, name, None)
        if method:
            method(number)
        else:
            self.cli(name, "s")

    def sweep(self, *overrides: str) -> None:
        self.n_trials += 1
        n_trials = f"hydra.sweeper.n_trials={self.n_trials}"
        ended = self.command(*SWEEP, n_trials, *overrides, path=self.folder, tiny=False)
        assert ended.code == 0, ended.err
        assert "Traceback" not in ended.err

    def cli(self, *arguments: str) -> None:
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        assert "Traceback" not in result.output

    def resume(self, number: int) -> None:  # noqa: ARG002
        self.sweep("hydra.sweeper.resume=s", "hydra.sweeper.publish=null")

    def share(self, number: int) -> None:
        """A study of its own in the same stores, which competes for the same champion."""
        names = f"hydra.sweeper.study_name=s{number}", "hydra.sweeper.registered_model_name=s"
        ended = self.command(
            *SWEEP, *names, "hydra.sweeper.n_trials=1", "hydra.sweeper.enqueue=s",
            path=self.folder, tiny=False,
        )  # fmt: skip
        assert ended.code == 0, ended.err

    def confirm(self, number: int) -> None:  # noqa: ARG002
        reader = RunReader(None)
        confirmation = Confirmation(reader, reader.study("s"), top=2, seeds=2)
        for _, _, trained in confirmation.run(HERE):
            assert trained.value is not None, trained.reason
        confirmation.write()

    def replay(self, number: int) -> None:  # noqa: ARG002
        reader = RunReader(None)
        assert replay(reader, reader.run("s/0"), HERE).replayed.data.tags["state"] == "COMPLETE"

    def export(self, number: int) -> None:  # noqa: ARG002
        shutil.rmtree("model", ignore_errors=True)
        self.cli("export", "s/0", "model")

    def deliver(self, number: int) -> None:  # noqa: ARG002
        self.cli("deliver", "multirun/s")


@pytest.fixture
def study(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return Study(command, tmp_path)


@pytest.mark.slow
def test_each_command_after_each_other(study: Study) -> None:
    before = "sweep"
    for number, name in enumerate(every_pair(COMMANDS)):
        try:
            study.run(name, number)
        except Exception as error:
            raise AssertionError(f"{name} after {before}: {error}") from error
        before = name
    result = CliRunner().invoke(main, ["check", "s"])
    assert (result.exit_code, result.output) == (0, "0 differences\n")
