"""Sweeps in processes of their own, which obey commands of this process and tags in MLflow."""

import sys
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import optuna
import pytest
from click.testing import CliRunner
from mlflow.tracking import MlflowClient
from sqlalchemy.pool import NullPool

from rnnexp.cli import main
from rnnexp.storage.optuna_store import is_paused, stored_result
from rnnexp.storage.schema import Files, Tags, TrialAttrs
from rnnexp.sweep.heartbeat import live_sweeps
from tests.helpers.commands import ROOT, Command, Ended
from tests.helpers.processes import Process, Processes, wait_until

SWEEP = (
    sys.executable, str(ROOT / "tests" / "helpers" / "pausing_app.py"), "-m", "steps=10000",
    "+seconds=0.05", "hydra.sweeper.n_jobs=2",
    "hydra.sweeper.pruner._target_=optuna.pruners.NopPruner",
    "hydra.sweeper.tracking.experiment=app", "hydra.sweep.dir=multirun/s",
)  # fmt: skip


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    started = Processes(tmp_path)
    yield started
    started.stop()


class Sweep:
    """A sweep that runs, and what this process sees of it."""

    def __init__(self, processes: Processes, *arguments: str, name: str = "sweep") -> None:
        self.path, self._processes, self._name = processes.folder, processes, name
        self.process: Process = processes.start(name, *SWEEP, *arguments)
        self.ended = Ended(self.path, 0, "", "")

    def log(self) -> str:
        return self._processes.log(self._name)

    @cached_property
    def study(self) -> optuna.Study:
        """The study, without a connection pool, which nobody would close."""
        url = f"sqlite:///{self.path}/optuna.db"
        storage = optuna.storages.RDBStorage(url, engine_kwargs={"poolclass": NullPool})
        return optuna.load_study(study_name="s", storage=storage)

    def wait(self, condition: Callable[[], object]) -> None:
        wait_until(lambda: self.process.poll() is not None or condition(), self.log)
        assert self.process.poll() is None, self.log()

    def wait_for_epochs(self, number: int) -> None:
        """Wait until a trial has reported some epochs more."""

        def reported() -> int:
            trials = self.study.trials
            return len(trials[number].intermediate_values) if number < len(trials) else 0

        # An earlier look would make the database's tables while the sweep makes them.
        self.wait((self.path / "multirun" / "s" / "0").exists)
        before = reported()
        self.wait(lambda: reported() > before + 1)

    def end(self) -> None:
        assert self.process.wait(300) == 0, self.log()

    def order(self, *arguments: str, code: int = 0) -> str:
        result = order(self.path, *arguments)
        assert result[0] == code, result[1] + self.log()
        return result[1]

    def running(self) -> set[int]:
        trials = self.study.trials
        return {t.number for t in trials if t.state.name == "RUNNING" and not is_paused(t)}

    def paused(self) -> set[int]:
        return {trial.number for trial in self.study.trials if is_paused(trial)}

    def reason(self, number: int) -> str:
        result = stored_result(self.study.trials[number])
        assert result
        return result.reason


def order(path: Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, [*arguments, "--storage", f"sqlite:///{path}/optuna.db"])
    return result.exit_code, result.output


@pytest.mark.slow
def test_commands_and_tags(processes: Processes) -> None:
    sweep = Sweep(processes, "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=3")
    sweep.wait_for_epochs(1)
    stop_a_trial(sweep)
    hold_a_trial(sweep)
    pause_the_study(sweep)
    tag_the_runs(sweep)
    assert_noted(sweep)
    told = sweep.order("stop", "s", code=1)
    assert "no sweep of study s is running; to let the study go on: python " in told
    assert "hydra.sweeper.resume=s" in told
    assert "hydra.sweeper.n_trials=6" in sweep.order("budget", "s", "--trials", "6", code=1)


def stop_a_trial(sweep: Sweep) -> None:
    """Its slot is free for another."""
    assert "the trial ends after its epoch, as pruned" in sweep.order("stop", "s/0")
    sweep.wait(lambda: sweep.running() == {1, 2})
    stopped = sweep.study.trials[0]
    assert stopped.state.name == "PRUNED"
    assert sweep.reason(0).startswith("stopped by rnnexp stop (")
    assert stopped.value == stopped.intermediate_values[max(stopped.intermediate_values)]
    assert "trial 0 of study s has ended (PRUNED)" in sweep.order("pause", "s/0", code=1)
    assert "there is no trial 9 of study s; there are 0 to 2" in sweep.order("stop", "s/9", code=1)


def hold_a_trial(sweep: Sweep) -> None:
    """As all three trials have begun, it would go on, but it is held."""
    sweep.order("pause", "s/1")
    sweep.wait(lambda: sweep.paused() == {1})
    sweep.wait_for_epochs(2)
    assert sweep.paused() == {1}
    epochs = len(sweep.study.trials[1].intermediate_values)
    sweep.order("resume", "s/1")
    sweep.wait(lambda: sweep.running() == {1, 2})
    sweep.wait_for_epochs(1)
    assert len(sweep.study.trials[1].intermediate_values) > epochs


def pause_the_study(sweep: Sweep) -> None:
    """It gets another budget meanwhile."""
    sweep.order("pause", "s")
    sweep.wait(lambda: sweep.paused() == {1, 2})
    sweep.wait(lambda: "to go on: rnnexp resume s" in sweep.log())
    assert "n_trials=4 from now on" in sweep.order("budget", "s", "--trials", "4")
    assert len(live_sweeps(sweep.study)) == 1
    assert sweep.running() == set()
    sweep.order("resume", "s")
    sweep.wait(lambda: sweep.running() == {1, 2})  # what is paused comes first
    sweep.order("stop", "s/1")
    sweep.wait(lambda: sweep.running() == {2, 3})


UNKNOWN = "halt is no order to a study: give one of stop, pause, resume, or trials=40"


def tag_the_runs(sweep: Sweep) -> None:
    """One tag is no order, and is answered; one stops a trial, and one the study."""
    client, (study, *trials) = sweep.ended.client, sweep.ended.runs("app")
    client.set_tag(study.info.run_id, Tags.STEER, "halt")
    client.set_tag(trials[2].info.run_id, Tags.STEER, "Stop")
    sweep.wait(lambda: sweep.study.trials[2].state.name == "PRUNED")
    assert sweep.reason(2).startswith("stopped by the tag steer (in MLflow, ")
    sweep.wait(lambda: Tags.STEER not in tags_of(client, study.info.run_id))
    assert tags_of(client, study.info.run_id)[Tags.STEERED] == UNKNOWN
    sweep.wait_for_epochs(3)
    client.set_tag(study.info.run_id, Tags.STEER, "stop")
    sweep.end()


def assert_noted(sweep: Sweep) -> None:
    """The end is that of any study, and the runs say what has happened."""
    assert sweep.log().count(UNKNOWN) == 1
    assert [trial.state.name for trial in sweep.study.trials] == ["PRUNED"] * 3 + ["COMPLETE"]
    assert "Stopped: stopped by the tag steer (in MLflow, " in sweep.log()
    study, *trials = sweep.ended.runs("app")
    assert study.info.status == "FINISHED"
    assert study.data.tags[Tags.STEERED].startswith("stopped by the tag steer")
    assert study.data.tags["budget.n_trials"] == "4"
    assert [run.info.status for run in trials] == ["KILLED"] * 3 + ["FINISHED"]
    for run, by in zip(trials, ("rnnexp stop", "rnnexp stop", "the tag steer"), strict=False):
        assert run.data.tags[Tags.STEERED].startswith(f"stopped by {by} (")
        assert f"stopped by {by} (" in run.data.tags["reason"]
    assert (sweep.path / "multirun" / "s" / Files.RESULTS).exists()


def tags_of(client: MlflowClient, run_id: str) -> dict[str, str]:
    tags: dict[str, str] = client.get_run(run_id).data.tags
    return tags


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["workers", "dask", "in_process"])
def test_a_stopped_study_is_resumed(processes: Processes, launcher: str) -> None:
    local = ["hydra.launcher.local_workers=2"] if launcher == "dask" else []
    overrides = [f"hydra/launcher={launcher}", *local, "hydra.sweeper.n_trials=2"]
    sweep = Sweep(processes, "hydra.sweeper.study_name=s", *overrides)
    sweep.wait_for_epochs(0)
    sweep.order("stop", "s")
    sweep.end()
    before = len(sweep.study.trials)
    assert {trial.state.name for trial in sweep.study.trials} <= {"PRUNED", "COMPLETE"}
    epochs = [len(trial.intermediate_values) for trial in sweep.study.trials]

    # The order is obeyed no more, and the trials go on where they were.
    again = Sweep(processes, "hydra.sweeper.resume=s", *overrides, name="again")
    again.wait(lambda: len(again.study.trials) > before)
    again.wait_for_epochs(before)
    assert again.study.trials[before].user_attrs[TrialAttrs.REOPENS] == [0]
    assert len(again.study.trials[before].intermediate_values) > epochs[0]
    again.order("stop", "s")
    again.end()


@pytest.mark.slow
def test_two_sweeps_of_a_study_obey(processes: Processes) -> None:
    first = Sweep(processes, "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=4")
    first.wait_for_epochs(0)
    second = Sweep(processes, "hydra.sweeper.resume=s", "hydra.sweeper.n_trials=4", name="second")
    second.wait(lambda: second.running() == {0, 1, 2, 3})
    first.order("pause", "s")
    first.wait(lambda: first.paused() == {0, 1, 2, 3})
    first.order("resume", "s")
    first.wait(lambda: first.running() == {0, 1, 2, 3})
    first.order("stop", "s")
    first.end()
    second.end()
    # Each sweep that ends has told what is paused by then: its best trial as complete.
    states = [trial.state.name for trial in first.study.trials]
    assert set(states) == {"COMPLETE", "PRUNED"}
    values = [trial.value for trial in first.study.trials]
    assert states[values.index(min(values))] == "COMPLETE"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stop", "t"], "there is no study t"),
        (["stop", "s"], "no sweep of study s is running"),
        (["pause", "s"], "no sweep of study s is running"),
        (["resume", "s/1"], "trial 1 of study s has ended (COMPLETE)"),
        (["budget", "s", "--trials", "0"], "0 is not in the range x>=1"),
        (["budget", "s"], "Missing option '--trials'"),
        (["budget", "s/1", "--trials", "3"], "there is no study s/1"),
    ],
)
def test_bad_orders(ended: Ended, arguments: list[str], message: str) -> None:
    code, output = order(ended.path, *arguments)
    assert code in (1, 2)
    assert message in output
    assert not [name for name in ended.study("s").user_attrs if name.startswith("steer")]


@pytest.fixture(scope="module")
def ended(app: Command) -> Ended:
    return app("-m", "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=2")
