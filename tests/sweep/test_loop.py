"""The loop with the in-process executor and runs in memory: what becomes of a trial, row by row."""

import errno
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
from hydra.core.utils import JobReturn

from rnnexp.errors import SweepError
from rnnexp.objective import Objective
from rnnexp.objectives import Objectives
from rnnexp.result import Result, State
from rnnexp.storage.optuna_store import stored_result
from rnnexp.storage.schema import TrialAttrs
from rnnexp.storage.stored_orders import give_order
from rnnexp.sweep.budget import Budget
from rnnexp.sweep.loop import Loop
from rnnexp.sweep.loop_callbacks import LoopCallback
from rnnexp.sweep.trial_ledger import TrialLedger
from tests.helpers.loop_parts import FunctionJobs, ledger_in

DIED = BrokenProcessPool("gone")
FULL = OSError(errno.ENOSPC, "No space left on device")


def budget(n_trials: int) -> Budget:
    return Budget(Objectives(Objective("value", "min")), n_trials=n_trials)


def script(*outcomes: object) -> Callable[[int], object]:
    """A job that ends in these ways, one after the other, and then with the value 1."""
    left = list(outcomes)

    def job(_number: int) -> object:
        outcome = left.pop(0) if left else 1.0
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return job


@pytest.mark.parametrize(
    ("outcomes", "states", "jobs"),
    [
        ([0.5, 0.4], ["COMPLETE", "COMPLETE"], [0, 1]),
        ([Result(State.PRUNED, 0.5, 1, "weak"), 0.4], ["PRUNED", "COMPLETE"], [0, 1]),
        ([ValueError("no"), 0.4], ["FAIL", "COMPLETE"], [0, 1]),
        ([None, 0.4], ["FAIL", "COMPLETE"], [0, 1]),
        ([DIED, 0.5, 0.4], ["COMPLETE", "COMPLETE"], [0, 0, 1]),  # lost, retried
        ([DIED, DIED, 0.4], ["FAIL", "COMPLETE"], [0, 0, 1]),  # lost twice: fails alone
        ([FULL, FULL, 0.5, 0.4], ["COMPLETE", "COMPLETE"], [0, 0, 0, 1]),
        ([KeyboardInterrupt(), 0.5, 0.4], ["COMPLETE", "COMPLETE"], [0, 0, 1]),  # not asked for
        ([KeyboardInterrupt(), DIED, 0.4], ["FAIL", "COMPLETE"], [0, 0, 1]),
        ([FULL, DIED, 0.5, 0.4], ["COMPLETE", "COMPLETE"], [0, 0, 0, 1]),
    ],
)
def test_what_becomes_of_a_trial(
    tmp_path: Path, outcomes: list[object], states: list[str], jobs: list[int]
) -> None:
    with ledger_in(tmp_path) as ledger:
        runner = FunctionJobs(script(*outcomes))
        loop = Loop(runner, ledger, budget(2))
        loop.run()
        assert [trial.state.name for trial in ledger.study.trials] == states
        assert [number for number, _ in runner.submitted] == jobs
        assert loop.stopped == "all 2 trials have run (n_trials=2)"
        for trial in ledger.study.trials:
            attempts = trial.user_attrs.get(TrialAttrs.ATTEMPT, 0)
            assert attempts == jobs.count(trial.number) - 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("moment", "submitted", "interrupted"),
    [
        ("overrides", [], [False]),  # never submitted
        ("submit", [0], [False, False]),  # submitted, and interrupted as well
        ("ask", [], [False]),
    ],
)
def test_a_signal_that_comes_while_a_slot_is_filled_is_heeded(
    tmp_path: Path,
    number: signal.Signals,
    moment: str,
    submitted: list[int],
    interrupted: list[bool],
) -> None:
    class Jobs(FunctionJobs):
        def submit(self, overrides: Sequence[str], number_of_job: int) -> Future[JobReturn]:
            self.submitted.append((number_of_job, tuple(overrides)))
            if moment == "submit":
                os.kill(os.getpid(), number)  # while the job is not yet among the running ones
            future: Future[JobReturn] = Future()
            future.set_exception(KeyboardInterrupt())
            return future

    class Ledger(TrialLedger):
        def ask(self) -> int:
            asked = super().ask()
            if moment == "ask":
                os.kill(os.getpid(), number)
            return asked

        def job_overrides(self, number_of_job: int) -> list[str]:
            if moment == "overrides":
                os.kill(os.getpid(), number)
            return super().job_overrides(number_of_job)

    with ledger_in(tmp_path) as plain:
        ledger = Ledger(**vars(plain))
        jobs = Jobs(script(), n_jobs=2)
        with pytest.raises(KeyboardInterrupt):
            Loop(jobs, ledger, budget(5)).run()
        assert [job for job, _ in jobs.submitted] == submitted
        assert jobs.interrupted == interrupted
        assert [trial.state.name for trial in ledger.study.trials] == ["RUNNING"]


def test_a_retry_that_comes_too_late_for_a_signal_is_left_to_a_resume(tmp_path: Path) -> None:
    class Ledger(TrialLedger):
        def retry(self, number: int, result: Result) -> bool:
            os.kill(os.getpid(), signal.SIGINT)
            return super().retry(number, result)

    with ledger_in(tmp_path) as plain:
        jobs = FunctionJobs(script(DIED))
        with pytest.raises(KeyboardInterrupt):
            Loop(jobs, Ledger(**vars(plain)), budget(5)).run()
        assert [number for number, _ in jobs.submitted] == [0]


def test_a_trial_that_takes_too_long_is_killed_and_retried_then_fails(tmp_path: Path) -> None:
    killed: list[int] = []

    class Jobs(FunctionJobs):
        def submit(self, overrides: Sequence[str], number: int) -> Future[JobReturn]:
            if number == 1:
                return super().submit(overrides, number)
            self.submitted.append((number, ()))
            return Future()

        def kill(self, future: Future[object]) -> None:
            killed.append(len(self.submitted))
            future.set_exception(DIED)

    with ledger_in(tmp_path) as ledger:
        jobs = Jobs(script(0.5))
        Loop(jobs, ledger, budget(2), trial_timeout=0.3).run()
        hung, complete = ledger.study.trials
    assert killed == [1, 2]
    assert [number for number, _ in jobs.submitted] == [0, 0, 1]
    assert (hung.state.name, complete.state.name) == ("FAIL", "COMPLETE")
    result = stored_result(hung)
    assert result
    assert result.reason == "it ran for more than 0.3 seconds (trial_timeout)"


def test_an_interrupted_trial_stays_as_it_is_for_a_resume(tmp_path: Path) -> None:
    def interrupted(_number: int) -> object:
        os.kill(os.getpid(), signal.SIGINT)  # as Ctrl-C in the terminal
        raise KeyboardInterrupt  # as `report` does, when it reads the request

    with ledger_in(tmp_path) as ledger:
        runner = FunctionJobs(interrupted)
        loop = Loop(runner, ledger, budget(2))
        with pytest.raises(KeyboardInterrupt):
            loop.run()
        assert loop.stopped == "received SIGINT"
        assert runner.interrupted == [False, False]  # once more after the job was submitted
        study = ledger.study
        assert [trial.state.name for trial in study.trials] == ["RUNNING"]
    with ledger_in(tmp_path, study) as ledger:  # a resume
        runner = FunctionJobs(script(0.5, 0.4))
        Loop(runner, ledger, budget(2)).run()
    assert [number for number, _ in runner.submitted] == [0, 1]
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE"]
    assert study.trials[0].user_attrs[TrialAttrs.ATTEMPT] == 1


def test_a_worker_that_dies_while_the_sweep_stops_leaves_its_trial_to_a_resume(
    tmp_path: Path,
) -> None:
    def dies(_number: int) -> object:
        os.kill(os.getpid(), signal.SIGTERM)
        raise DIED

    with ledger_in(tmp_path) as ledger:
        with pytest.raises(KeyboardInterrupt):
            Loop(FunctionJobs(dies), ledger, budget(2)).run()
        (trial,) = ledger.study.trials
        assert (trial.state.name, trial.user_attrs.get(TrialAttrs.ATTEMPT)) == ("RUNNING", None)


def test_a_stored_result_of_a_stale_trial_is_told_without_a_job(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        trial = ledger.study.ask()
        trial.suggest_categorical("x", (1, 2, 3))
        result = Result(State.COMPLETE, 0.25, 3)
        trial.set_user_attr(TrialAttrs.RESULT, result.to_json())
        runner = FunctionJobs(script())
        Loop(runner, ledger, budget(1)).run()
        assert runner.submitted == []
        assert ledger.study.trials[0].value == 0.25


def test_too_many_failed_trials_stop_the_sweep(tmp_path: Path) -> None:
    with ledger_in(tmp_path, arguments=["x=range(0,50)"]) as ledger:
        loop = Loop(FunctionJobs(lambda _: None), ledger, budget(30), max_failure_rate=0.5)
        with pytest.raises(SweepError, match="stopped after 5 trials: 5 of the last 5 failed"):
            loop.run()
        assert len(ledger.study.trials) == 5


def order(ledger: TrialLedger, text: str) -> None:
    give_order(ledger.study, text, None, by="rnnexp", who="ann")


@pytest.mark.parametrize(
    ("text", "n_trials", "stopped"),
    [
        ("stop", 1, "stopped by rnnexp (ann, "),
        ("trials=2", 2, "all 2 trials have run (n_trials=2)"),
        ("trials=1", 1, "all 1 trials have run (n_trials=1)"),
        ("trials=40", 3, "all 3 params of the search space have been tried"),
        ("resume", 3, "all 3 trials have run (n_trials=3)"),
    ],
)
def test_a_loop_obeys(tmp_path: Path, text: str, n_trials: int, stopped: str) -> None:
    with ledger_in(tmp_path) as ledger:

        def job(_number: int) -> float:
            order(ledger, text)
            return 1.0

        loop = Loop(FunctionJobs(job), ledger, budget(3))
        loop.run()
        assert [trial.state.name for trial in ledger.study.trials] == ["COMPLETE"] * n_trials
        assert loop.stopped.startswith(stopped)


class GivesOrders(LoopCallback):
    """Gives an order each time the loop has nothing to do, and keeps how many trials there are."""

    def __init__(self, ledger: TrialLedger, *orders: str) -> None:
        self._ledger, self._orders = ledger, list(orders)
        self.trials: list[int] = []

    def on_idle(self) -> None:
        self.trials.append(len(self._ledger.study.trials))
        if self._orders:
            order(self._ledger, self._orders.pop(0))


@pytest.mark.parametrize(
    ("orders", "trials", "stopped"),
    [
        (["pause", "pause", "resume"], [1, 1, 1, 2, 2], "all 2 trials have run (n_trials=2)"),
        (["pause", "stop"], [1, 1, 1], "stopped by rnnexp (ann, "),
    ],
)
def test_a_paused_loop_waits(
    tmp_path: Path, orders: list[str], trials: list[int], stopped: str
) -> None:
    with ledger_in(tmp_path) as ledger:
        callback = GivesOrders(ledger, *orders)
        loop = Loop(FunctionJobs(script()), ledger, budget(2), callbacks=[callback])
        loop.run()
        assert callback.trials == trials
        assert loop.stopped.startswith(stopped)


def test_a_paused_loop_is_interrupted(tmp_path: Path) -> None:
    class Interrupts(GivesOrders):
        def on_idle(self) -> None:
            if not self._orders:
                os.kill(os.getpid(), signal.SIGINT)
            super().on_idle()

    with ledger_in(tmp_path) as ledger:
        callback = Interrupts(ledger, "pause", "pause")
        with pytest.raises(KeyboardInterrupt):
            Loop(FunctionJobs(script()), ledger, budget(2), callbacks=[callback]).run()
        assert len(ledger.study.trials) == 1


class Trace(LoopCallback):
    """Writes down which methods the loop calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def on_start(self) -> None:
        self.calls.append("start")

    def on_idle(self) -> None:
        self.calls.append("idle")

    def on_trial_end(self, number: int, result: Result) -> None:
        self.calls.append(f"{number} {result.state}")

    def on_end(self) -> None:
        self.calls.append("end")


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_callbacks_are_called_when_all_slots_are_filled(tmp_path: Path, n_jobs: int) -> None:
    trace = Trace()
    with ledger_in(tmp_path) as ledger:
        jobs = FunctionJobs(script(0.5, 0.4), n_jobs=n_jobs)
        Loop(jobs, ledger, budget(2), callbacks=[trace]).run()
    # Both jobs have ended when the loop first waits, if there are two slots.
    ends = sorted(call for call in trace.calls if "COMPLETE" in call)
    assert ends == ["0 COMPLETE", "1 COMPLETE"]
    assert (trace.calls[0], trace.calls[1], trace.calls[-1]) == ("start", "idle", "end")
    assert trace.calls.count("idle") == (3 if n_jobs == 1 else 2)


def test_callbacks_end_after_an_error(tmp_path: Path) -> None:
    class Breaks(Trace):
        def on_trial_end(self, number: int, result: Result) -> None:  # noqa: ARG002
            raise RuntimeError("broken")

    trace = Breaks()
    with ledger_in(tmp_path) as ledger:
        jobs = FunctionJobs(script())
        with pytest.raises(RuntimeError, match="broken"):
            Loop(jobs, ledger, budget(2), callbacks=[trace]).run()
    assert trace.calls[-1] == "end"
    assert jobs.interrupted == [True]


def test_a_callback_that_can_not_end_keeps_neither_the_others_nor_the_error_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class CanNotEnd(Trace):
        def on_end(self) -> None:
            raise OSError("the database is gone")

    first = Trace()
    with ledger_in(tmp_path, arguments=["x=range(0,50)"]) as ledger:
        callbacks = [first, CanNotEnd()]
        loop = Loop(FunctionJobs(lambda _: None), ledger, budget(30), 0.5, callbacks)
        with pytest.raises(SweepError, match="5 of the last 5 failed"):
            loop.run()
    assert first.calls[-1] == "end"
    assert "CanNotEnd could not end" in caplog.text
