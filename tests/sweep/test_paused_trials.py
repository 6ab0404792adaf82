"""Paused trials through the loop, with the in-process executor and runs in memory."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.trial import TrialState

from rnnexp.objective import Objective
from rnnexp.objectives import Objectives
from rnnexp.pausing import Pausing
from rnnexp.result import Result, State
from rnnexp.storage.ended_trials import EndedTrials
from rnnexp.storage.in_memory_tracker import MemoryTracker
from rnnexp.storage.optuna_store import best_trial, open_trial, paused_result, stored_result
from rnnexp.storage.schema import Files, Tags, TrialAttrs
from rnnexp.storage.stored_orders import give_order
from rnnexp.sweep.budget import Budget
from rnnexp.sweep.loop import Loop
from rnnexp.sweep.reopening import reopen
from rnnexp.sweep.trial_ledger import TrialLedger
from tests.helpers.loop_parts import FunctionJobs, ledger_in

OBJECTIVE = Objective("value", "min")
PAUSING = Pausing(idle_epochs=0.5)
# Values by trial: a trial pauses after an epoch that is no own best, and ends with its curve.
CURVES = {0: [1.0, 0.875, 0.9375, 0.5], 1: [2.0, 2.1, 2.2, 2.3, 2.4], 2: [0.75, 0.78125, 0.7]}


class Replay:
    """A job that replays a recorded curve, as a training that goes on where it was paused."""

    def __init__(self, ledger: TrialLedger, curves: Mapping[int, list[float]]) -> None:
        self._ledger, self._curves = ledger, curves
        self.slices: list[tuple[int, int, int]] = []  # trial, its first epoch and its last

    def __call__(self, number: int) -> Result:
        ledger, curve = self._ledger, self._curves[number]
        trial = open_trial(ledger.study, ledger.storage, number)
        stored = ledger.study.trials[number]
        values = dict(stored.intermediate_values)
        first = max(values, default=-1) + 1
        state = State.COMPLETE
        for epoch in range(first, len(curve)):
            trial.report(curve[epoch], epoch)
            values[epoch] = curve[epoch]
            is_best = curve[epoch] <= min(values.values())
            if not is_best and epoch >= trial.user_attrs.get(TrialAttrs.SLICE, [0, -1])[1]:
                state = State.PAUSED
                break
        self.slices.append((number, first, max(values)))
        epoch, value = OBJECTIVE.best(values) or (None, None)
        return Result(state, value, epoch, "no own best" if state == State.PAUSED else "")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[TrialLedger]:
    with ledger_in(tmp_path, pausing=PAUSING) as made:
        yield made


def run(ledger: TrialLedger, budget: Budget, curves: Mapping[int, list[float]] = CURVES) -> Replay:
    jobs = Replay(ledger, curves)
    loop = Loop(FunctionJobs(jobs), ledger, budget)
    loop.run()
    jobs.stopped = loop.stopped  # type: ignore[attr-defined]
    return jobs


def states(ledger: TrialLedger) -> list[str]:
    return [
        State.PAUSED.value if paused_result(trial) else trial.state.name
        for trial in ledger.study.trials
    ]


def test_new_trials_come_first_then_the_best_forecast(ledger: TrialLedger) -> None:
    jobs = run(ledger, Budget(Objectives(OBJECTIVE), n_trials=3))
    assert jobs.slices[:3] == [(0, 0, 2), (1, 0, 1), (2, 0, 1)]
    # Trial 0 is at 0.875, after a gain of 0.125; trial 2 at 0.75, after none.
    assert jobs.slices[3:] == [(0, 3, 3), (2, 2, 2), (1, 2, 2)]
    assert states(ledger) == ["COMPLETE", "PAUSED", "COMPLETE"]
    assert jobs.stopped == (  # type: ignore[attr-defined]
        "all 3 trials have run (n_trials=3); "
        "no new best in 2 epochs of paused trials (pausing.idle_epochs: 0.5 a trial)"
    )
    trials = EndedTrials(ledger.study)
    assert trials.counts == {"COMPLETE": 2, "PRUNED": 0, "FAIL": 0, "PAUSED": 1}
    assert trials.epochs == 4 + 3 + 3


@pytest.mark.parametrize(
    ("budget", "slices", "reason"),
    [
        (
            Budget(Objectives(OBJECTIVE), n_trials=3, epochs=8),
            4,
            "8 epochs have been trained (epochs=8)",
        ),
        (
            Budget(Objectives(OBJECTIVE), n_trials=3, epochs=3),
            1,
            "3 epochs have been trained (epochs=3)",
        ),
        (Budget(Objectives(OBJECTIVE), timeout=0.0), 0, "0 seconds have passed (timeout=0)"),
        (
            Budget(Objectives(OBJECTIVE), patience=1),
            4,
            "no improvement in the last trial (patience=1); "
            "no new best in 1 epochs of paused trials (pausing.idle_epochs: 0.5 a trial)",
        ),
    ],
)
def test_a_budget_ends_slices_too(
    ledger: TrialLedger, budget: Budget, slices: int, reason: str
) -> None:
    jobs = run(ledger, budget)
    assert len(jobs.slices) == slices
    assert jobs.stopped == reason  # type: ignore[attr-defined]


def end(ledger: TrialLedger) -> None:
    ledger.paused.end_all("the end")


def with_runs(ledger: TrialLedger) -> MemoryTracker:
    """Give each trial a run, a folder and a backup."""
    runs = ledger.runs
    assert isinstance(runs, MemoryTracker)
    for trial in ledger.study.trials:
        with runs.run(None, tags={Tags.TRIAL: trial.number}, params={}) as made:
            pass
        open_trial(ledger.study, ledger.storage, trial.number).set_user_attr(
            TrialAttrs.RUN_ID, made.id
        )
        folder = ledger.folder / str(trial.number)
        folder.mkdir()
        (folder / Files.BACKUP).touch()
    return runs


def test_what_is_paused_at_the_end_is_pruned_but_the_best(ledger: TrialLedger) -> None:
    for value in (0.5, 0.4, 0.6):
        number = ledger.ask()
        open_trial(ledger.study, ledger.storage, number).report(value, 0)
        ledger.finish(number, Result(State.PAUSED, value, 0, "weak"))
    runs = with_runs(ledger)
    end(ledger)
    assert states(ledger) == ["PRUNED", "COMPLETE", "PRUNED"]
    assert [trial.value for trial in ledger.study.trials] == [0.5, 0.4, 0.6]
    tags = [(run.tags[Tags.STATE], run.status) for run, _ in runs.runs.values()]
    assert tags == [("PRUNED", "KILLED"), ("COMPLETE", "FINISHED"), ("PRUNED", "KILLED")]
    result = stored_result(ledger.study.trials[0])
    assert result
    assert result.reason == "weak; the end"
    assert all((ledger.folder / str(number) / Files.BACKUP).exists() for number in range(3))


def test_a_trial_in_another_sweeps_hands_is_not_ended(tmp_path: Path, ledger: TrialLedger) -> None:
    paused_once(ledger)
    with ledger_in(tmp_path, ledger.study, pausing=PAUSING) as other:
        open_trial(ledger.study, ledger.storage, 0).set_user_attr(TrialAttrs.SWEEP, other.sweep_id)
        end(ledger)
        assert states(ledger) == ["PAUSED"]
        other.finish(0, Result(State.PAUSED, 0.5, 0, "weak"))
        end(other)
        assert states(ledger) == ["COMPLETE"]


def test_a_resume_takes_them_up_again(tmp_path: Path, ledger: TrialLedger) -> None:
    test_what_is_paused_at_the_end_is_pruned_but_the_best(ledger)
    with ledger_in(tmp_path, ledger.study, pausing=PAUSING) as later:
        runs = ledger.runs
        assert isinstance(runs, MemoryTracker)
        paused = replace(later.paused, runs=runs)
        for _ in range(2):  # the second time there is nothing to do
            reopen(paused)
        trials = EndedTrials(later.study)
        assert trials.counts == {"COMPLETE": 0, "PRUNED": 0, "FAIL": 0, "PAUSED": 3}
        assert best_trial(later.study) is None  # until the end, or until it is complete
        again = trials.paused[0]
        assert (again.number, again.intermediate_values) == (3, {0: 0.5})
        assert again.user_attrs[TrialAttrs.REOPENS] == [0]
        run, _ = runs.runs[again.user_attrs[TrialAttrs.RUN_ID]]
        assert (run.tags[Tags.TRIAL], run.tags[Tags.STATE], run.status) == (
            "3", "PAUSED", "SCHEDULED",
        )  # fmt: skip
        assert later.job_overrides(3)[-1] == "hydra.sweep.subdir='0'"
        paused.end_all("the end")
        assert EndedTrials(later.study).counts["PRUNED"] == 2
        best = best_trial(later.study)
        assert best
        assert best.number == 4


def test_no_more_paused_trials_are_kept_than_asked_for(tmp_path: Path) -> None:
    with ledger_in(tmp_path, pausing=PAUSING, keep_paused=2) as ledger:
        for value in (0.5, 0.7, 0.6):
            number = ledger.ask()
            open_trial(ledger.study, ledger.storage, number).report(value, 0)
            (tmp_path / str(number)).mkdir()
            (tmp_path / str(number) / Files.BACKUP).touch()
            ledger.finish(number, Result(State.PAUSED, value, 0, "weak"))
        assert states(ledger) == ["PAUSED", "PRUNED", "PAUSED"]
        assert not (tmp_path / "1" / Files.BACKUP).exists()
        assert not ledger.study.trials[1].user_attrs[TrialAttrs.PAUSED]  # pruned for good


def paused_once(ledger: TrialLedger) -> None:
    ledger.ask()
    open_trial(ledger.study, ledger.storage, 0).report(0.5, 0)
    ledger.finish(0, Result(State.PAUSED, 0.5, 0, "weak"))


def let_go_on(ledger: TrialLedger) -> int | None:
    ledger.paused.trials.read()
    return ledger.paused.thaw(ledger.sweep_id, can_begin=False)


def thawed(ledger: TrialLedger) -> None:
    paused_once(ledger)
    assert let_go_on(ledger) == 0


@pytest.mark.parametrize(
    ("before", "state", "claimed"), [(paused_once, "PAUSED", None), (thawed, "RUNNING", 0)]
)
def test_a_dead_sweeps_trial_is_stale_only_while_it_runs(
    tmp_path: Path,
    ledger: TrialLedger,
    before: Callable[[TrialLedger], None],
    state: str,
    claimed: int | None,
) -> None:
    before(ledger)
    open_trial(ledger.study, ledger.storage, 0).set_user_attr(TrialAttrs.SWEEP, "dead")
    assert states(ledger) == [state]
    with ledger_in(tmp_path, ledger.study, pausing=PAUSING) as other:
        assert other.claim_stale() == claimed
        # A sweep that dies while it lets a trial go on has signed the trial first.
        resumed = let_go_on(other)
        assert resumed == (0 if claimed is None else None)


def test_a_paused_trial_is_its_sweeps_until_its_job_has_returned(
    tmp_path: Path, ledger: TrialLedger
) -> None:
    result = Result(State.PAUSED, 0.5, 0, "weak")
    open_trial(ledger.study, ledger.storage, ledger.ask()).set_user_attr(
        TrialAttrs.PAUSED, result.to_json()
    )  # as the job does before it returns
    with ledger_in(tmp_path, ledger.study, pausing=PAUSING) as other:
        for each in (ledger, other):
            assert let_go_on(each) is None
        ledger.finish(0, result)
        assert let_go_on(other) == 0
        assert let_go_on(ledger) is None
    assert states(ledger) == ["RUNNING"]


def order(ledger: TrialLedger, text: str, number: int) -> None:
    give_order(ledger.study, text, number, by="rnnexp", who="ann")


def two_paused(ledger: TrialLedger) -> None:
    for value in (0.5, 0.4):
        number = ledger.ask()
        open_trial(ledger.study, ledger.storage, number).report(value, 0)
        ledger.finish(number, Result(State.PAUSED, value, 0, "weak"))


@pytest.mark.parametrize(
    ("orders", "goes_on", "expected"),
    [
        ([], 1, ["PAUSED", "RUNNING"]),  # the better one
        ([("pause", 1)], 0, ["RUNNING", "PAUSED"]),
        ([("pause", 1), ("pause", 0)], None, ["PAUSED", "PAUSED"]),
        ([("pause", 1), ("resume", 1)], 1, ["PAUSED", "RUNNING"]),
        ([("resume", 0)], 0, ["RUNNING", "PAUSED"]),
        ([("stop", 1)], 0, ["RUNNING", "PRUNED"]),  # though it is the best
        ([("stop", 1), ("stop", 0)], None, ["PRUNED", "PRUNED"]),
    ],
)
def test_a_user_decides_which_paused_trial_goes_on(
    ledger: TrialLedger, orders: list[tuple[str, int]], goes_on: int | None, expected: list[str]
) -> None:
    two_paused(ledger)
    for text, number in orders:
        order(ledger, text, number)
    assert let_go_on(ledger) == goes_on
    assert states(ledger) == expected


def test_a_trial_is_let_go_on_once(ledger: TrialLedger) -> None:
    two_paused(ledger)
    order(ledger, "resume", 0)
    assert let_go_on(ledger) == 0
    ledger.finish(0, Result(State.PAUSED, 0.5, 0, "weak"))
    assert let_go_on(ledger) is None  # by the study's own rule


def test_a_stopped_trial_does_not_win_at_the_end(ledger: TrialLedger) -> None:
    two_paused(ledger)
    runs = with_runs(ledger)
    order(ledger, "stop", 1)
    end(ledger)
    assert states(ledger) == ["COMPLETE", "PRUNED"]
    stopped = stored_result(ledger.study.trials[1])
    assert stopped
    assert stopped.reason.startswith("weak; stopped by rnnexp (ann, ")
    assert [run.status for run, _ in runs.runs.values()] == ["FINISHED", "KILLED"]
    assert [(ledger.folder / str(n) / Files.BACKUP).exists() for n in (0, 1)] == [True, False]


def test_a_held_trial_is_not_pruned_for_being_one_too_many(tmp_path: Path) -> None:
    with ledger_in(tmp_path, pausing=PAUSING, keep_paused=1) as ledger:
        for value, number in ((0.6, 0), (0.5, 1), (0.4, 2)):
            assert ledger.ask() == number
            open_trial(ledger.study, ledger.storage, number).report(value, 0)
            order(ledger, "pause", 0)
            (tmp_path / str(number)).mkdir()
            ledger.finish(number, Result(State.PAUSED, value, 0, "weak"))
        assert states(ledger) == ["PAUSED", "PRUNED", "PAUSED"]


def test_a_sampler_takes_a_paused_trial_for_pruned(ledger: TrialLedger) -> None:
    paused_once(ledger)
    seen: list[TrialState] = []
    sampler = ledger.study.sampler
    draw = type(sampler._sampler).sample_independent  # type: ignore[attr-defined]

    class Looks(type(sampler._sampler)):  # type: ignore[misc, name-defined]
        def sample_independent(self, study: object, *arguments: object) -> object:
            seen.extend(trial.state for trial in study.get_trials())  # type: ignore[attr-defined]
            return draw(self, study, *arguments)

    sampler._sampler = Looks(seed=0)  # type: ignore[attr-defined]
    ledger.ask()
    assert seen[:1] == [TrialState.PRUNED]
