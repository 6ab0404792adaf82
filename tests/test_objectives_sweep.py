"""Whole sweeps with several objectives and constraints, read back from Optuna and MLflow."""

import json
import math
from pathlib import Path

import optuna
import pytest
from click.testing import CliRunner

import rnnexp
from rnnexp.cli import main
from rnnexp.storage.optuna_store import best_trial, objectives_of, values_of
from rnnexp.storage.schema import StudyAttrs, Tags, TrialAttrs
from tests.helpers.commands import Command, Ended
from tests.test_bad_input import assert_refused

pytestmark = pytest.mark.slow

BOTH = "objective.others=[{monitor:parameters},{monitor:val_accuracy}]"


@pytest.fixture(scope="module")
def swept(command: Command) -> Ended:
    """Three sizes, of which the largest breaks a constraint before it is trained."""
    return command(
        "-m", "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=1",
        BOTH, "constraints=['parameters < 4000','seconds < 600']", "hydra.sweeper.params=null",
        "model.units=choice(4,8,64)", "hydra.sweeper.pausing.epochs=1", "sampler=grid",
    )  # fmt: skip


def test_each_trial_has_a_value_of_each_objective(swept: Ended) -> None:
    assert swept.code == 0, swept.err
    study = swept.study("s")
    assert [each.name for each in study.directions] == ["MINIMIZE", "MINIMIZE", "MAXIMIZE"]
    objectives = objectives_of(study)
    assert str(objectives) == (
        "min val_loss, min parameters, max val_accuracy, where parameters < 4000 and seconds < 600"
    )
    runs = {run.data.tags["trial"]: run for run in swept.runs()[1:]}
    for trial in study.trials:
        metrics = runs[str(trial.number)].data.metrics
        if trial.state.name != "COMPLETE":
            continue
        history_of = runs[str(trial.number)].info.run_id
        history = swept.client.get_metric_history(history_of, "val_loss")
        best = min(history, key=lambda entry: entry.value)
        accuracies = swept.client.get_metric_history(history_of, "val_accuracy")
        at_best = next(entry.value for entry in accuracies if entry.step == best.step)
        assert trial.values == [best.value, metrics["parameters"], at_best]
        assert metrics["best.val_accuracy"] == at_best
        stored = trial.user_attrs[TrialAttrs.OTHERS]
        assert stored[str(best.step)] == [metrics["parameters"], at_best]
        assert set(trial.constraints) == {"parameters < 4000", "seconds < 600"}
        assert all(value == 0 for value in trial.constraints.values())


def test_what_breaks_a_constraint_is_not_trained(swept: Ended) -> None:
    study, runs = swept.study("s"), swept.runs()[1:]
    (large,) = [trial for trial in study.trials if trial.params["model.units"] == 64]
    assert large.state.name == "PRUNED"
    assert large.intermediate_values == {}
    assert large.constraints["parameters < 4000"] > 0
    run = runs[large.number]
    assert run.data.tags["reason"].startswith("not trained: parameters is ")
    assert run.data.tags["reason"].endswith(", which breaks parameters < 4000")
    assert run.data.tags[Tags.FEASIBLE] == "false"
    assert "val_loss" not in run.data.metrics
    assert run.info.status == "KILLED"


def test_the_winner_and_the_front(swept: Ended) -> None:
    study, (parent, *runs) = swept.study("s"), swept.runs()
    objectives = objectives_of(study)
    trials = {t.number: values_of(t, objectives) for t in study.trials if t.values}
    front = objectives.front(trials)
    tagged = {int(r.data.tags["trial"]) for r in runs if r.data.tags.get(Tags.FRONT) == "true"}
    assert tagged == set(front)
    best = best_trial(study)
    assert best
    assert best.number == objectives.winner(trials) == parent.data.metrics["best_trial"]
    assert json.loads(parent.data.tags[Tags.OBJECTIVES])["others"] == [
        "min parameters", "max val_accuracy",
    ]  # fmt: skip
    assert "Pareto front" in swept.out
    assert "wins." in swept.out
    report = (swept.path / "multirun" / "s" / "report" / "report.html").read_text()
    assert "Pareto front" in report
    assert "breaks a constraint" in report


def test_the_commands_and_python_show_the_front(swept: Ended) -> None:
    uri = f"sqlite:///{swept.path}/mlflow.db"
    study = rnnexp.load_study("s", uri)
    best = best_trial(swept.study("s"))
    assert best
    assert study.best.name == best.number
    assert best.number in study.front.index
    assert str(study.objectives) == str(objectives_of(swept.study("s")))
    shown = CliRunner().invoke(main, ["compare", "s", "--tracking-uri", uri])
    assert shown.exit_code == 0, shown.output
    assert f"Trial {best.number} is best: val_loss " in shown.output
    assert "On the Pareto front: " in shown.output
    assert "best.val_accuracy" in shown.output
    as_json = CliRunner().invoke(main, ["compare", "s", "--json", "--tracking-uri", uri])
    found = json.loads(as_json.stdout)
    assert found["objectives"]["others"] == ["min parameters", "max val_accuracy"]
    assert found["trials"][0]["trial"] == best.number


def test_the_study_is_resumed_with_the_same_objectives_alone(
    swept: Ended, command: Command
) -> None:
    again = (
        "-m", "hydra.sweeper.resume=s", "hydra.sweeper.n_trials=3", "hydra.sweeper.params=null",
        "model.units=choice(4,8,64)", "hydra.sweeper.pausing.epochs=1", "sampler=grid",
    )  # fmt: skip
    other = command(*again, "constraints=['parameters < 4000','seconds < 600']", path=swept.path)
    assert other.code == 1
    assert "the study is another one: objective.others was" in other.err
    same = command(
        *again, BOTH, "constraints=['parameters < 4000','seconds < 600']", path=swept.path
    )
    assert same.code == 0, same.err
    assert len(swept.study("s").trials) == 3


def test_no_trial_meets_the_constraints(command: Command) -> None:
    ended = command(
        "-m", "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=2",
        "constraints=['val_loss < 0.0001']", "hydra.sweeper.params=null",
        "model.units=choice(2,4)",
    )  # fmt: skip
    assert ended.code == 1
    assert (
        "no complete trial meets the constraints: min val_loss, where val_loss < 0.0001"
        in ended.err
    )
    assert best_trial(ended.study("s")) is None


@pytest.mark.parametrize(
    ("sampler", "overrides"),
    [("nsgaii", ()), ("tpe", ("+sampler.n_startup_trials=2",)), ("random", ())],
)
def test_samplers_of_several_objectives(
    command: Command, sampler: str, overrides: tuple[str, ...]
) -> None:
    """With trials that are pruned, or paused, which Optuna's samplers alone can't compare."""
    ended = command(
        "-m", "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=4", f"sampler={sampler}",
        "objective.others=[{monitor:parameters}]", "hydra.sweeper.pausing.epochs=1", *overrides,
        "pruner.patience=1", "fit.epochs=3",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert len(ended.study("s").trials) >= 4


def test_with_folds_the_means_count(command: Command) -> None:
    ended = command(
        "-m", "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=2", "fit.folds=2",
        "objective.others=[{monitor:val_accuracy}]", "hydra.sweeper.params=null",
        "model.units=choice(2,4)",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    for trial, run in zip(ended.study("s").trials, ended.runs()[1:], strict=True):
        means = []
        for fold in range(2):
            losses = ended.client.get_metric_history(run.info.run_id, f"fold_{fold}/val_loss")
            best = min(losses, key=lambda entry: entry.value)
            accuracies = ended.client.get_metric_history(
                run.info.run_id, f"fold_{fold}/val_accuracy"
            )
            means.append(next(e.value for e in accuracies if e.step == best.step))
        assert trial.values[1] == pytest.approx(sum(means) / 2)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ["objective.others=[{monitor:val_quality,mode:max}]"],
            "objective.others=val_quality: no metric has this name; there are accuracy, loss, "
            "val_accuracy, val_loss, parameters, latency, seconds",
        ),
        (["constraints=['size < 3']"], "constraints=size: no metric has this name; there are"),
        (["constraints=['parameters 3']"], "constraints: 'parameters 3' must be such as"),
        (
            ["objective.others=[{monitor:parameters}]", "sampler=cmaes"],
            "hydra.sweeper.sampler: CmaEsSampler searches by one objective, here are 2 "
            "(min val_loss, min parameters); choose sampler=tpe, nsgaii or gp",
        ),
        (
            ["objective.others=[{monitor:parameters}]", "pruner=median"],
            "hydra.sweeper.pruner: MedianPruner compares trials by one objective, here are 2",
        ),
        (["objective.monitor=parameters"], "objective.monitor=parameters: no metric has this"),
    ],
)
def test_bad_input(command: Command, arguments: list[str], problem: str) -> None:
    ended = command("-m", "model.units=range(4,8)", "hydra.sweeper.params=null", *arguments)
    assert_refused(ended, problem)


APP = """
import hydra
import rnnexp

@hydra.main(version_base="1.3", config_path=".", config_name="app")
def main(config):
    trial = rnnexp.current_trial()
    for step in range(3):
        trial.measure(size=config.x**2, cost=float(step))
        trial.report(abs(config.x - 3), step)
        if trial.should_prune():
            break
    {end}

if __name__ == "__main__":
    main()
"""
CONFIG = """
defaults:
  - override hydra/sweeper: rnnexp
  - override hydra/launcher: in_process
  - _self_
x: 0.0
{objective}
hydra:
  sweep: {{dir: 'multirun/${{hydra.sweeper.study_name}}', subdir: '${{hydra.job.num}}'}}
  sweeper: {{study_name: s, n_trials: 8, {sweeper} params: {{x: 'interval(0, 5)'}}}}
"""


@pytest.mark.parametrize(
    ("objective", "sweeper", "end", "expected"),
    [
        (
            "objective: [{monitor: distance, mode: min}, {monitor: size, mode: min}]", "",
            "return abs(config.x - 3)", "min distance, min size",
        ),
        (
            "", "direction: [minimize, maximize],", "return abs(config.x - 3), config.x**2",
            "min value, max value_1",
        ),
        (
            "constraints: ['size < 4']", "", "return abs(config.x - 3)",
            "min value, where size < 4",
        ),
    ],
)  # fmt: skip
def test_any_application(
    command: Command, tmp_path: Path, objective: str, sweeper: str, end: str, expected: str
) -> None:
    (tmp_path / "app.py").write_text(APP.format(end=end))
    (tmp_path / "app.yaml").write_text(CONFIG.format(objective=objective, sweeper=sweeper))
    ended = command("-m", path=tmp_path, tiny=False, script=tmp_path / "app.py")
    assert ended.code == 0, ended.err
    study = ended.study("s")
    objectives = objectives_of(study)
    assert str(objectives) == expected
    best = best_trial(study)
    assert best
    trials = [t for t in study.trials if t.state.name == "COMPLETE"]
    for trial in trials:
        x = trial.params["x"]
        assert trial.values[0] == pytest.approx(abs(x - 3))
        if objectives.others:
            assert trial.values[1] == pytest.approx(x**2)
    if objectives.constraints:
        assert best.params["x"] < 2
        feasible = [t.values[0] for t in trials if t.params["x"] ** 2 < 4]
        assert best.values[0] == min(feasible)


def test_an_application_that_measures_too_little_fails(command: Command, tmp_path: Path) -> None:
    objective = "objective: [{monitor: distance, mode: min}, {monitor: weight, mode: min}]"
    (tmp_path / "app.py").write_text(APP.format(end="return abs(config.x - 3)"))
    (tmp_path / "app.yaml").write_text(CONFIG.format(objective=objective, sweeper=""))
    ended = command("-m", path=tmp_path, tiny=False, script=tmp_path / "app.py")
    assert ended.code == 1
    states = {trial.state.name for trial in ended.study("s").trials}
    assert states == {"FAIL"}
    assert "the objective weight was not measured" in ended.runs("app")[1].data.tags["reason"]


def test_studies_of_other_programs_have_objectives() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    study.add_trial(optuna.trial.create_trial(values=[1.0, 2.0]))
    assert StudyAttrs.OBJECTIVES not in study.user_attrs
    best = best_trial(study)
    assert best
    assert best.number == 0
    assert not math.isnan(values_of(best, objectives_of(study))["value_1"])
