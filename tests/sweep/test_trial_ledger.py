"""Every transition of a trial is a row of a table: asked, running, lost, retried, resumed, told."""

from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from rnnexp.execution.job_result import DISK_FULL, WORKER_DIED, Died, DiskFull
from rnnexp.objective import Objective
from rnnexp.objectives import Objectives
from rnnexp.result import Result, State
from rnnexp.storage.in_memory_tracker import MemoryRun, MemoryTracker
from rnnexp.storage.optuna_store import open_trial, stored_result
from rnnexp.storage.schema import Files, Metrics, Tags, TrialAttrs
from rnnexp.sweep.budget import Budget
from rnnexp.sweep.trial_ledger import NextTrial, TrialLedger
from tests.helpers.loop_parts import ledger_in

RUNNING, COMPLETE, PRUNED, FAIL = (
    TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL,
)  # fmt: skip
DIED, FULL = Died(State.FAIL, reason=WORKER_DIED), DiskFull(State.FAIL, reason=DISK_FULL)
UNLIMITED = Budget(Objectives(Objective("value", "min")))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[TrialLedger]:
    with ledger_in(tmp_path) as made:
        yield made


def another_sweep(ledger: TrialLedger, name: str = "dead") -> None:
    """Let the running trial 0 be that of another sweep."""
    open_trial(ledger.study, ledger.storage, 0).set_user_attr(TrialAttrs.SWEEP, name)


def asked(ledger: TrialLedger) -> None:
    assert ledger.ask() == 0


def reported(ledger: TrialLedger) -> None:
    asked(ledger)
    open_trial(ledger.study, ledger.storage, 0).report(0.7, 0)
    (ledger.folder / "0").mkdir()
    (ledger.folder / "0" / Files.BACKUP).touch()


def retried(ledger: TrialLedger) -> None:
    reported(ledger)
    assert ledger.retry(0, DIED)


def resumed(ledger: TrialLedger) -> None:
    stale(ledger)
    claim(ledger)


def stale(ledger: TrialLedger) -> None:
    reported(ledger)
    another_sweep(ledger)


def stale_half_drawn(ledger: TrialLedger) -> None:
    ledger.study.ask()


def stale_with_result(ledger: TrialLedger) -> None:
    stale(ledger)
    result = Result(State.COMPLETE, 0.25, 3)
    open_trial(ledger.study, ledger.storage, 0).set_user_attr(TrialAttrs.RESULT, result.to_json())


def told(ledger: TrialLedger) -> None:
    reported(ledger)
    ledger.finish(0, Result(State.COMPLETE, 0.5, 0))


def finish(state: State, value: float | None = None) -> Callable[[TrialLedger], None]:
    def act(ledger: TrialLedger) -> None:
        ledger.finish(0, Result(state, value, None if value is None else 0, "why"))

    act.__name__ = f"finish_{state}"
    return act


def claim(ledger: TrialLedger) -> None:
    assert ledger.next_trial(UNLIMITED, 0.0).number == 0


def retry(ledger: TrialLedger) -> None:
    assert ledger.retry(0, DIED)


def retry_on_full_disk(ledger: TrialLedger) -> None:
    assert ledger.retry(0, FULL)


def no_retry(ledger: TrialLedger) -> None:
    assert not ledger.retry(0, DIED)
    ledger.finish(0, DIED)


def claim_stored(ledger: TrialLedger) -> None:
    number, _, result, _ = ledger.next_trial(UNLIMITED, 0.0)
    assert number == 0
    assert result
    ledger.finish(0, result)


@pytest.mark.parametrize(
    ("before", "event", "state", "value", "attempt"),
    [
        (lambda _: None, asked, RUNNING, None, None),
        (reported, finish(State.COMPLETE, 0.5), COMPLETE, 0.5, None),
        (reported, finish(State.PRUNED, 0.5), PRUNED, 0.7, None),  # Optuna's: the last reported
        (reported, finish(State.FAIL), FAIL, None, None),
        (reported, retry, RUNNING, None, 1),  # lost, retried
        (retried, no_retry, FAIL, None, 1),  # lost twice
        (retried, retry_on_full_disk, RUNNING, None, 2),  # a full disk uses up no retry
        (retried, finish(State.COMPLETE, 0.5), COMPLETE, 0.5, 1),
        (resumed, retry, RUNNING, None, 2),  # a resume uses up no retry
        (stale, claim, RUNNING, None, 1),  # resumed
        (stale_half_drawn, claim, RUNNING, None, 1),
        (stale_with_result, claim_stored, COMPLETE, 0.25, 1),  # resumed, told
        (told, finish(State.FAIL), COMPLETE, 0.5, None),  # told once, whatever comes later
    ],
)
def test_a_transition(
    ledger: TrialLedger,
    before: Callable[[TrialLedger], None],
    event: Callable[[TrialLedger], None],
    state: TrialState,
    value: float | None,
    attempt: int | None,
) -> None:
    before(ledger)
    event(ledger)
    (trial,) = ledger.study.trials
    assert (trial.state, trial.value) == (state, value)
    assert trial.user_attrs.get(TrialAttrs.ATTEMPT) == attempt
    assert trial.user_attrs[TrialAttrs.SWEEP] == ledger.sweep_id
    assert set(trial.params) == {"x"}
    if state.is_finished():
        result = stored_result(trial)
        assert result
        assert result.state == state.name
        assert not (ledger.folder / "0" / Files.BACKUP).exists()
    elif before in (reported, retried, resumed, stale):
        assert (ledger.folder / "0" / Files.BACKUP).exists()


def test_a_trial_of_a_live_sweep_is_not_claimed(ledger: TrialLedger, tmp_path: Path) -> None:
    asked(ledger)
    with ledger_in(tmp_path, ledger.study) as other:
        assert other.claim_stale() is None
        assert other.next_trial(UNLIMITED, 0.0) == NextTrial(1)


@pytest.mark.parametrize("is_stored", [True, False])
def test_the_run_of_a_dead_worker_is_ended(ledger: TrialLedger, is_stored: bool) -> None:
    reported(ledger)
    runs = ledger.runs
    assert isinstance(runs, MemoryTracker)
    run = MemoryRun(tags={Tags.STUDY: ledger.study.study_name, Tags.TRIAL: "0"})
    runs.runs = {
        "other": (MemoryRun(tags=dict(run.tags)), "another study"),
        run.id: (run, ledger.study_run),
    }
    if is_stored:
        trial = open_trial(ledger.study, ledger.storage, 0)
        trial.set_user_attr(TrialAttrs.RUN_ID, run.id)
    ledger.finish(0, DIED)
    assert run.status == "FAILED"
    assert (run.tags[Tags.STATE], run.tags[Tags.REASON]) == ("FAIL", WORKER_DIED)
    assert run.metrics[Metrics.EPOCHS] == {0: 1.0}
    assert runs.runs["other"][0].status == "RUNNING"


def test_a_job_knows_its_study_and_folder(tmp_path: Path) -> None:
    study = optuna.create_study(study_name="it's a study")
    with ledger_in(tmp_path, study, ["x=choice(1)", "fixed=a b"]) as ledger:
        ledger.ask()
        assert ledger.job_overrides(0) == [
            "fixed=a b",
            "x=1",
            r"hydra.sweeper.study_name='it\'s a study'",
            f"hydra.sweep.dir='{tmp_path}'",
        ]
        # The first attempt has stored its folder, which may have the time in it.
        trial = open_trial(study, ledger.storage, 0)
        trial.set_user_attr(TrialAttrs.FOLDER, "x=1,a b/22-10")
        assert ledger.job_overrides(0)[-1] == "hydra.sweep.subdir='x=1,a b/22-10'"
        backup = tmp_path / "x=1,a b" / "22-10" / Files.BACKUP
        backup.parent.mkdir(parents=True)
        backup.touch()
        ledger.finish(0, Result(State.COMPLETE, 0.5, 0))
        assert not backup.exists()


@pytest.mark.parametrize(
    ("budget", "ended", "seconds", "reason"),
    [
        (UNLIMITED, 2, 1.0, ""),
        (UNLIMITED, 3, 1.0, "all 3 params of the search space have been tried"),
        (Budget(UNLIMITED.objectives, n_trials=2), 2, 1.0, "all 2 trials have run (n_trials=2)"),
        (Budget(UNLIMITED.objectives, timeout=5), 1, 6.0, "5 seconds have passed (timeout=5)"),
    ],
)
def test_when_no_further_trial_begins(
    ledger: TrialLedger, budget: Budget, ended: int, seconds: float, reason: str
) -> None:
    for _ in range(ended):
        ledger.finish(ledger.ask(), Result(State.COMPLETE, 0.5))
    number, why, _, _ = ledger.next_trial(budget, seconds)
    assert why == reason
    assert number == (None if reason else ended)
