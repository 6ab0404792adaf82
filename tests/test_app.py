"""Sweeps of an application without Keras, which are fast: pruning, budgets, enqueued params."""

import subprocess
import sys
from pathlib import Path

import pytest
from optuna.trial import TrialState

from tests.helpers.commands import ROOT, Command

STUDY = "hydra.sweeper.study_name=s"
GRID = ("hydra.sweeper.params=null", "x=choice(1,2)", "rate=choice(0.2,0.4)")


CALLBACK = "+hydra.callbacks.pickle._target_=hydra.experimental.callbacks.PickleJobInfoCallback"
RANDOM = "+hydra.sweeper.sampler.seed=1"


def n_trials(number: int) -> str:
    return f"hydra.sweeper.n_trials={number}"


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["in_process", "workers", "basic"])
def test_an_application_is_pruned_and_is_in_mlflow(app: Command, launcher: str) -> None:
    ended = app("-m", f"hydra/launcher={launcher}", STUDY, CALLBACK, RANDOM)
    assert ended.code == 0, ended.err
    trials = ended.study().trials
    assert {TrialState.COMPLETE, TrialState.PRUNED} == {trial.state for trial in trials}
    parent, *runs = ended.runs("app")
    assert parent.data.metrics["best_value"] == pytest.approx(ended.study().best_value)
    for trial, run in zip(trials, runs, strict=True):
        history = ended.client.get_metric_history(run.info.run_id, "value")
        reported = {metric.step: metric.value for metric in history}
        assert reported == pytest.approx(trial.intermediate_values)
        assert run.data.params == {key: str(value) for key, value in trial.params.items()}
        tags = run.data.tags
        assert tags["mlflow.parentRunId"] == parent.info.run_id
        assert tags["state"] == trial.state.name
        if trial.state == TrialState.PRUNED:
            assert run.info.status == "KILLED"
            assert run.data.metrics["best_value"] == pytest.approx(min(reported.values()))
            assert int(tags["pruned.epoch"]) == max(reported)
            assert float(tags["pruned.value"]) == pytest.approx(reported[max(reported)])
            assert float(tags["pruned.threshold"]) < float(tags["pruned.best"])
            # With workers, a trial that began later can be at this epoch as well.
            assert int(tags["pruned.peers"]) >= 5
            assert tags["pruned.rule"].startswith("EarlyStoppingPruner(patience=")
            assert f"pruned at epoch {tags['pruned.epoch']}" in tags["reason"]
        files = {item.path for item in ended.client.list_artifacts(run.info.run_id)}
        assert {"config.yaml", "overrides.yaml"} <= files
        # Hydra's callbacks are called for every job, whichever process runs the job.
        hydra = Path(ended.study().user_attrs["folder"], str(trial.number), ".hydra")
        pickled = {path.name for path in hydra.iterdir()}
        assert {"config.pickle", "job_return.pickle"} <= pickled


def test_an_application_runs_without_a_sweep(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "examples" / "app.py"], cwd=tmp_path, check=True
    )
    assert done.returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {"outputs"}
    lines = (ROOT / "docs" / "examples" / "app.py").read_text().splitlines()
    assert sum(bool(line.strip()) for line in lines) <= 20


@pytest.mark.slow
def test_a_job_that_raises_leaves_its_traceback(app: Command) -> None:
    ended = app("-m", "steps=choice(no,10,11)", n_trials(4), STUDY, RANDOM)
    failed = [run for run in ended.runs("app") if run.data.tags.get("state") == "FAIL"]
    assert failed
    for run in failed:
        assert run.info.status == "FAILED"
        assert "TypeError" in run.data.tags["reason"]
        files = {item.path for item in ended.client.list_artifacts(run.info.run_id)}
        assert "traceback.txt" in files


@pytest.mark.slow
def test_the_same_params_are_not_tried_twice(app: Command) -> None:
    ended = app("-m", *GRID, n_trials(20), STUDY)
    assert ended.code == 0, ended.err
    tried = {tuple(trial.params.items()) for trial in ended.study().trials}
    assert len(tried) == len(ended.study().trials) == 4
    assert "Stopped: all 4 params of the search space have been tried." in ended.out
    assert "Go on with this study" not in ended.out


@pytest.mark.slow
def test_enqueued_params_come_first(app: Command) -> None:
    first = app("-m", n_trials(3), "hydra.sweeper.study_name=first")
    best = first.study("first").best_params
    ended = app(
        "-m", "hydra.sweeper.enqueue=[{x:1.5,rate:0.4},{x:2.5},first]", n_trials(4),
        "hydra.sweeper.study_name=second", path=first.path,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    drawn = [trial.params for trial in ended.study("second").trials]
    assert drawn[0] == {"x": 1.5, "rate": 0.4}
    assert drawn[1]["x"] == 2.5
    assert drawn[2] == best
    assert len(drawn) == 4


@pytest.mark.slow
def test_a_resumed_study_tries_new_enqueued_params_and_no_old_ones(app: Command) -> None:
    first = app("-m", "hydra.sweeper.enqueue=[{x:1.5}]", n_trials(2), STUDY)
    ended = app(
        "-m", "hydra.sweeper.enqueue=[{x:1.5},{x:2.5}]", n_trials(4), "hydra.sweeper.resume=s",
        path=first.path,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    drawn = [trial.params["x"] for trial in ended.study().trials]
    assert (len(drawn), drawn[0], drawn[2], drawn.count(1.5)) == (4, 1.5, 2.5, 1)


def test_a_study_whose_runs_are_in_another_store_is_not_resumed(
    app: Command, tmp_path: Path
) -> None:
    first = app("-m", n_trials(1), STUDY)
    ended = app(
        "-m", n_trials(2), "hydra.sweeper.resume=s",
        f"hydra.sweeper.storage=sqlite:///{first.path}/optuna.db", path=tmp_path,
    )  # fmt: skip
    assert ended.code == 1
    assert "give the tracking URI that the study began with" in ended.err
    assert ended.files() == set()


@pytest.mark.parametrize(
    ("enqueue", "problem"),
    [
        ("[{y:1}]", "y is not searched; searched are x, rate"),
        ("[{x:7}]", "x=7 is outside of interval(0, 6)"),
        ("[{rate:0.3}]", "rate=0.3 is outside of choice(0.2, 0.4)"),
        ("firts", "there is no study firts in .*; did you mean first?"),
    ],
)
def test_what_can_not_be_enqueued(app: Command, enqueue: str, problem: str) -> None:
    first = app("-m", n_trials(1), "hydra.sweeper.study_name=first")
    ended = app("-m", f"hydra.sweeper.enqueue={enqueue}", path=first.path)
    assert ended.code == 1
    printed = ended.err.replace("?", "")
    assert all(part in printed for part in problem.replace("?", "").split(".*"))
    assert ended.files() == first.files()


def test_a_study_has_patience(app: Command) -> None:
    ended = app(
        "-m", "hydra.sweeper.patience=3", "hydra.sweeper.min_delta=1000",
        "hydra.sweeper.n_trials=null", STUDY,
    )  # fmt: skip
    assert len(ended.study().trials) == 4  # the first is the best so far
    assert (
        "Stopped: no improvement of more than 1000 in the last 3 trials (patience=3)." in ended.out
    )


def test_a_study_has_a_timeout(app: Command) -> None:
    ended = app("-m", "hydra.sweeper.timeout=2", "hydra.sweeper.n_trials=null", STUDY)
    assert ended.code == 0, ended.err
    assert "Stopped: 2 seconds have passed (timeout=2)." in ended.out
    assert len(ended.study().trials) >= 1


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("hydra.sweeper.n_trials=null", "needs a timeout or a patience"),
        ("hydra.sweeper.direction=[minimize,up]", "must be minimize or maximize"),
        ("hydra.sweeper.timeout=inf", "timeout=inf: must be a number, more than 0, and finite"),
        (
            "hydra.sweeper.patience=0",
            "hydra.sweeper.patience=0: must be a whole number, at least 1",
        ),
        ("hydra.sweeper.timeout=-5", "hydra.sweeper.timeout=-5.0: must be a number, more than 0"),
        (
            "hydra.sweeper.min_delta=-1",
            "hydra.sweeper.min_delta=-1.0: must be a number, at least 0",
        ),
        ("hydra.sweeper.resume=latest", "there is no study"),
        (
            "hydra.sweeper.retries=-1",
            "hydra.sweeper.retries=-1: must be a whole number, at least 0",
        ),
        ("hydra.sweeper.enqueue=other", "there is no study"),
        ("hydra.sweeper.keep=best", "keep=best: must be a whole number, at least 1, or all, or"),
        ("hydra.sweeper.tracking.system_metrics=maybe", "system_metrics=maybe: must be true or"),
    ],
)
def test_bad_budgets(app: Command, override: str, problem: str) -> None:
    ended = app("-m", override)
    assert ended.code == 1
    assert problem in ended.err
    assert ended.files() == set()


@pytest.mark.slow
def test_a_config_of_dataclasses_of_the_script(tmp_path: Path) -> None:
    command = [
        sys.executable, ROOT / "benchmarks" / "uneven.py", "-m", "hydra/sweeper=rnnexp",
        "hydra/launcher=workers", f"times={tmp_path}", "seconds=range(0.0,0.2,0.1)",
        n_trials(2), STUDY,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "2 complete, 0 pruned, 0 fail" in done.stdout


@pytest.mark.parametrize(("epochs", "trained"), [("6", 6), ("1.5", None), ("0.5", 12)])
def test_the_epochs_of_a_sweep_are_a_number_or_a_share(
    app: Command, epochs: str, trained: int | None
) -> None:
    ended = app(
        "-m", f"hydra.sweeper.epochs={epochs}", "hydra.sweeper.n_trials=8", "steps=3",
        "hydra.sweeper.pruner._target_=optuna.pruners.NopPruner",
    )  # fmt: skip
    if trained is None:
        assert "hydra.sweeper.epochs=1.5: must be a number of epochs, a share below 1" in ended.err
        return
    trials = ended.study().trials
    assert sum(len(trial.intermediate_values) for trial in trials) == trained
