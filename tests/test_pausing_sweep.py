"""Trials that pause and go on, in real sweeps."""

import pytest

from rnnexp.storage.optuna_store import stored_result
from tests.helpers.commands import ROOT, Command, metrics
from tests.helpers.pausing import PAUSING, TRAINING, WHOLE, assert_equal


@pytest.mark.slow
def test_a_trial_that_has_paused_is_equal_to_the_last_bit(command: Command) -> None:
    assert_equal(command(*TRAINING, *PAUSING), command(*TRAINING, *WHOLE))


STEPS = 10
APP_TRIALS = (
    "-m", "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=1",
    "hydra.sweeper.enqueue=[{x:3,rate:0.4},{x:4.5,rate:0.4},{x:5,rate:0.4}]",
    "hydra.sweeper.pruner._target_=optuna.pruners.NopPruner",
    "hydra.sweeper.pausing={patience:1,epochs:null,seconds:0.001,idle_epochs:1}",
    "hydra/launcher=in_process", "hydra.sweeper.tracking.experiment=app",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "anew"),
    [("docs/examples/app.py", []), ("tests/helpers/pausing_app.py", ["+anew=true"])],
    ids=["on", "anew"],
)
def test_an_application_goes_on_or_starts_anew(
    command: Command, script: str, anew: list[str]
) -> None:
    """The first trial improves at every step; the others do not, so they pause again and again."""
    ended = command(*APP_TRIALS, *anew, tiny=False, script=ROOT / script)
    assert ended.code == 0, ended.err
    trials = ended.study("s").trials
    slices = [len(trial.user_attrs.get("slices", [])) for trial in trials]
    assert slices[0] == 0
    assert min(slices[1:]) >= 2
    results = list(filter(None, map(stored_result, trials)))
    assert len(results) == len(trials)
    for result in results:  # an epoch takes far less than the start of a job
        assert result.epoch_seconds is None or 0 < result.epoch_seconds < (result.seconds or 0)
    assert results[0].epoch_seconds
    ends = {"COMPLETE": "FINISHED", "PRUNED": "KILLED"}
    for trial, run in zip(trials, ended.runs("app")[1:], strict=True):
        assert run.data.tags["state"] == trial.state.name
        assert run.info.status == ends[trial.state.name]
        history = metrics(ended, run, "value")
        assert [step for step, _ in history] == list(range(len(history)))
        assert dict(history) == trial.intermediate_values
        expected = without_a_pause(trial.params["x"], trial.params["rate"])[: len(history)]
        tolerance = 1e-5 if anew else 0
        assert [value for _, value in history] == pytest.approx(expected, abs=tolerance, rel=0)


def without_a_pause(x: float, rate: float) -> list[float]:
    error, errors = 1.0, []
    for _ in range(STEPS):
        error += rate * (0.1 + (x - 3) ** 2 - error)
        errors.append(error)
    return errors
