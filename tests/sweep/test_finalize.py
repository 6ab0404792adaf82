"""The end of a sweep: a step that fails is reported, and the others are done all the same."""

import re
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from omegaconf import DictConfig

from tests.helpers.commands import ROOT, Command

STUDY = ("-m", "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=2")


def scores(config: DictConfig, run_id: str) -> dict[str, float]:
    return {"x": float(config.x), "length": float(len(run_id))}


def broken(*_: object) -> dict[str, float]:
    raise RuntimeError("no test part")


def published(*_: object) -> Sequence[tuple[str, str]]:
    return [("Use the model:", "use it")]


def hook(name: str, function: str) -> str:
    return f"hydra.sweeper.{name}=tests.sweep.test_finalize.{function}"


def test_the_best_trial_is_evaluated_and_published(app: Command) -> None:
    ended = app(*STUDY, hook("evaluate", "scores"), hook("publish", "published"))
    assert ended.code == 0, ended.err
    best = ended.study("s").best_trial
    assert f"test x      │ {best.params['x']:.4f}" in ended.out
    assert "Use the model:\n  use it\n" in ended.out
    metrics = ended.runs("app")[0].data.metrics
    assert (metrics["test_x"], metrics["test_length"]) == (best.params["x"], 32.0)


@pytest.mark.slow
def test_an_evaluation_that_fails_leaves_the_rest(app: Command) -> None:
    ended = app(*STUDY, hook("evaluate", "broken"), hook("publish", "published"))
    assert ended.code == 1
    assert "Study s: 2 complete, 0 pruned, 0 fail" in ended.out
    assert "Use the model:" in ended.out
    assert "The best trial was not evaluated. To do it later:\n  python " in ended.out
    assert "report.html" in ended.out
    (line,) = [text for text in ended.err.splitlines() if "the end of the sweep failed" in text]
    assert line == (
        "the study is stored, but the end of the sweep failed: evaluate: RuntimeError: no test part"
    )
    assert list(ended.path.glob("multirun/*/*/optimization_results.yaml"))
    how = "Not done: evaluate (RuntimeError: no test part). To do it later:\n  python "
    assert how in ended.out
    command = ended.out.partition(how)[2].partition("\n")[0]
    assert command.endswith("hydra.sweeper.resume=s")
    # The same command without a new trial, once the function is mended.
    later = app(*STUDY, "hydra.sweeper.resume=s", hook("evaluate", "scores"), path=ended.path)
    assert later.code == 0, later.err
    assert len(later.study("s").trials) == 2
    assert "test x" in later.out
    assert "Not done" not in later.out


@pytest.mark.parametrize(
    ("own", "trust"),
    [("keras.losses.MeanSquaredError", False), ("tests.helpers.own_models.Loss", True)],
)
def test_a_model_that_can_not_be_published_is_left_for_later(
    app: Command, own: str, trust: bool
) -> None:
    ended = app(*STUDY, hook("publish", "broken"), f"+compile.loss._target_={own}")
    assert ended.code == 0, ended.err
    assert "The best model could not be logged: no test part. To do it later:" in ended.out
    command = re.search(r"  (rnnexp publish s --name s --tracking-uri sqlite:///.*)", ended.out)
    assert command
    assert command[1].endswith(" --trust") == trust


def stopped_by_sigint(*_: object) -> dict[str, float]:
    signal.raise_signal(signal.SIGINT)
    return {}


def stopped_by_sigterm(*_: object) -> dict[str, float]:
    signal.raise_signal(signal.SIGTERM)
    return {}


@pytest.mark.parametrize("function", ["stopped_by_sigint", "stopped_by_sigterm"])
def test_an_interruption_of_the_end_leaves_a_summary(app: Command, function: str) -> None:
    ended = app(*STUDY, hook("evaluate", function), hook("publish", "published"))
    assert ended.code == 130, ended.err
    assert "Study s: 2 complete, 0 pruned, 0 fail" in ended.out
    assert "The best trial was not evaluated. To do it later:\n  python " in ended.out
    assert "hydra.sweeper.resume=s" in ended.out
    assert "Use the model:" not in ended.out
    assert ended.runs("app")[0].info.status == "KILLED"


def late(config: DictConfig, run_id: str) -> dict[str, float]:
    return {"late": float("late" in MlflowClient(config.leave).get_run(run_id).data.tags)}


def test_queued_writes_are_delivered_before_the_best_trial_is_evaluated(
    command: Command, tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    ended = command(
        "-m", "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=1", f"+leave={uri}",
        f"hydra.sweeper.tracking.uri={uri}", hook("evaluate", "late"), tiny=False,
        script=ROOT / "tests" / "helpers" / "saving_app.py",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert "test late  │ 1.0000" in ended.out
    assert list(ended.path.rglob("*.outbox")) == []


def name_of(config: DictConfig, run_id: str, study_run: str, name: str) -> list[tuple[str, str]]:  # noqa: ARG001
    return [("Registered as:", name)]


def test_the_name_of_the_model_may_depend_on_the_best_params(app: Command) -> None:
    ended = app(
        *STUDY, "x=choice(1,3)", hook("publish", "name_of"),
        "hydra.sweeper.registered_model_name='${hydra.sweeper.study_name}-${x}'",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert f"Registered as:\n  s-{ended.study('s').best_params['x']}\n" in ended.out


@pytest.mark.slow
@pytest.mark.parametrize(("function", "is_kept"), [("scores", False), ("broken", True)])
def test_keep_none_keeps_a_checkpoint_that_was_not_evaluated(
    command: Command, function: str, is_kept: bool
) -> None:
    ended = command(
        *STUDY, "hydra.sweeper.params=null", "x=choice(1,2)", "hydra.sweeper.keep=none",
        "hydra.sweeper.checkpoints=['*.fake']", hook("evaluate", function), tiny=False,
        script=ROOT / "tests" / "helpers" / "saving_app.py",
    )  # fmt: skip
    assert (ended.code == 0) is not is_kept
    assert len(list(ended.path.rglob("multirun/**/*.fake"))) == int(is_kept)


@pytest.mark.slow
def test_the_direction_follows_from_the_objective(app: Command) -> None:
    both = ("x=choice(1,3)", "+objective={monitor: value, mode: max}")
    refused = app(*STUDY, *both, "hydra.sweeper.direction=minimize")
    assert refused.code == 1
    assert "1. hydra.sweeper.direction=minimize, but more value is better by " in refused.err
    assert refused.files() == set()
    ended = app(*STUDY, *both)
    assert ended.code == 0, ended.err
    study = ended.study("s")
    assert study.direction.name == "MAXIMIZE"
    assert f"Best trial: {study.best_trial.number}" in ended.out
    assert study.user_attrs["objective"] == "max value"


@pytest.mark.parametrize("name", ["check", "evaluate", "publish", "count_parameters"])
@pytest.mark.parametrize("path", ["tests.sweep.test_finalize.nothing", "no_such_module.f", "f"])
def test_all_functions_are_imported_before_trial_0(app: Command, name: str, path: str) -> None:
    ended = app(*STUDY, f"hydra.sweeper.{name}={path}")
    assert ended.code == 1
    assert f"1. hydra.sweeper.{name}={path}: " in ended.err
    assert "give the import path of a function, or null for none" in ended.err
    assert ended.files() == set()
