"""A resume changes what a study searches; the app of docs/examples has no Keras in it."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState

from rnnexp.cli import main
from rnnexp.storage.schema import StudyAttrs
from rnnexp.sweep.heartbeat import Heartbeat
from tests.helpers.commands import EAGER, Command, Ended

NEW = ("hydra.sweeper.study_name=s", "+hydra.sweeper.sampler.seed=1")
RESUME = ("-m", "hydra.sweeper.resume=s", "+hydra.sweeper.sampler.seed=1")
BEFORE = ("hydra.sweeper.params=null", "x=choice(1,2,5)", "rate=choice(0.2,0.4)")
NO_PRUNING = "hydra.sweeper.pruner={_target_: optuna.pruners.NopPruner}"


def resume(app: Command, path: Path, n_trials: int, *searched: str) -> Ended:
    more = f"hydra.sweeper.n_trials={n_trials}"
    return app(*RESUME, NO_PRUNING, "hydra.sweeper.params=null", more, *searched, path=path)


def stores(path: Path) -> list[str]:
    return [
        f"--storage=sqlite:///{path}/optuna.db", f"--tracking-uri=sqlite:///{path}/mlflow.db",
    ]  # fmt: skip


@pytest.fixture
def began(app: Command) -> Ended:
    return three_trials(app)


@pytest.fixture(scope="module")
def unchanged(app: Command) -> Ended:
    """A study that no test changes."""
    return three_trials(app)


def three_trials(app: Command) -> Ended:
    """Run a study of the three trials with ``rate=0.2``."""
    known = "hydra.sweeper.enqueue=[{x:1,rate:0.2},{x:2,rate:0.2},{x:5,rate:0.2}]"
    ended = app("-m", *NEW, *BEFORE, NO_PRUNING, known, "hydra.sweeper.n_trials=3")
    assert ended.code == 0, ended.err
    return ended


@pytest.mark.slow
def test_more_and_other_choices_and_a_new_key(app: Command, began: Ended) -> None:
    """One resume changes all; a second one of the same command changes nothing."""
    searched = ("x=choice(2,3,1)", "rate=choice(0.2,0.4)", "floor=choice(0.1,0.3)")
    before = began.study("s").trials
    ended = resume(app, began.path, 6, *searched)
    assert ended.code == 0, ended.err
    for line in (
        "x was choice(1,2,5), now it is choice(2,3,1)",
        "floor was 0.1, now it is choice(0.1,0.3)",
        "floor is 0.1 in the earlier trials",
        "1 of 3 trials don't fit: x=5 (1); they stay and count, but the sampler does not learn",
    ):
        assert f"the search changes: {line}" in ended.out
    study = ended.study("s")
    assert [trial.number for trial in study.trials] == [*range(6)]
    for old, now in zip(before, study.trials, strict=False):
        assert now.params == old.params | {"floor": 0.1}
        assert (now.value, now.state, now.user_attrs) == (old.value, old.state, old.user_attrs)
    assert {t.distributions["x"] for t in study.trials} == {CategoricalDistribution((1, 2, 5, 3))}
    drawn = [trial.params for trial in study.trials[3:]]
    assert all(params["x"] in (2, 3, 1) for params in drawn)
    assert len({tuple(params.items()) for params in drawn}) == 3
    parent, *runs = ended.runs("app")
    assert [run.data.params["floor"] for run in runs] == [
        str(t.params["floor"]) for t in study.trials
    ]
    assert parent.data.params["search.floor"] == "choice(0.1,0.3)"
    assert parent.data.tags["search_changes"].startswith(
        "from trial 3 on: x was choice(1,2,5), now"
    )
    again = resume(app, began.path, 7, *searched)
    assert again.code == 0, again.err
    assert "the search changes" not in again.out
    assert len(again.study("s").trials) == 7
    checked = CliRunner().invoke(main, ["check", "s", *stores(began.path)])
    assert (checked.exit_code, checked.output) == (0, "0 differences\n")
    compared = CliRunner().invoke(main, ["compare", "s", stores(began.path)[1]])
    assert compared.exit_code == 0, compared.output
    assert "floor" in compared.output
    report = CliRunner().invoke(main, ["report", "s", *stores(began.path)])
    assert report.exit_code == 0, report.output


def test_the_best_trial_may_be_outside(app: Command, began: Ended) -> None:
    """Its value counts, and its params are printed as they were."""
    ended = resume(app, began.path, 4, "x=choice(5,6)", "rate=choice(0.2,0.4)")
    assert ended.code == 0, ended.err
    assert "2 of 3 trials don't fit: x=1 (1), x=2 (1)" in ended.out
    study = ended.study("s")
    assert (study.best_trial.number, study.best_params["x"]) == (1, 2)
    assert study.trials[3].params["x"] in (5, 6)
    assert "x=2" in ended.out


def test_a_range_needs_no_rewriting(app: Command) -> None:
    known = "hydra.sweeper.enqueue=[{x:1.5},{x:4.5}]"
    began = app("-m", *NEW, NO_PRUNING, known, "hydra.sweeper.n_trials=2")
    ids = [trial._trial_id for trial in began.study("s").trials]
    ended = app(
        *RESUME, NO_PRUNING, known, "x=interval(4,9)", "hydra.sweeper.n_trials=6", path=began.path
    )
    assert ended.code == 1
    assert "x=1.5 is outside of interval(4,9)" in ended.err  # the params to try first
    ended = app(*RESUME, NO_PRUNING, "x=interval(4,9)", "hydra.sweeper.n_trials=6", path=began.path)
    assert ended.code == 0, ended.err
    assert "1 of 2 trials don't fit: x=1.5 (1)" in ended.out
    trials = ended.study("s").trials
    assert [trial._trial_id for trial in trials[:2]] == ids
    assert all(4 <= trial.params["x"] <= 9 for trial in trials[1:])


@pytest.mark.parametrize(
    ("searched", "problem"),
    [
        (["x=choice(7,8)", "rate=choice(0.2,0.4)"], "none of its trials fits the search space"),
        (["x=choice(1,2,5)"], "none of its trials fits the search space of now; begin a new study "
         "(rate was choice(0.2,0.4), now it is not searched)"),
        ([*BEFORE[1:], "+momentum=choice(0,1)"], "momentum of the earlier trials is not known, "
         "since their configs have no such value"),
        (["x=choice(1,2,9)", "rate=choice(0.2,0.4)", "floor=0.2"],
         "the study is another one: floor was 0.1, now it is 0.2"),
        (["x=choice(1,2,9)", "rate=choice(0.2,0.4)", "hydra.sweeper.direction=maximize"],
         "direction was minimize, now it is maximize"),
    ],
)  # fmt: skip
def test_what_can_not_change(
    app: Command, unchanged: Ended, searched: list[str], problem: str
) -> None:
    before = (unchanged.path / "optuna.db").read_bytes()
    ended = resume(app, unchanged.path, 4, *searched)
    assert ended.code == 1
    assert problem in ended.err
    assert (unchanged.path / "optuna.db").read_bytes() == before


def test_a_study_that_a_sweep_is_running_does_not_change(app: Command, unchanged: Ended) -> None:
    with Heartbeat(unchanged.study("s")):
        ended = resume(app, unchanged.path, 4, "x=choice(1,2,9)", "rate=choice(0.2,0.4)")
    assert ended.code == 1
    assert "a sweep of it is running, and its search can be changed at its end only" in ended.err
    assert StudyAttrs.CHANGES not in unchanged.study("s").user_attrs


def test_a_change_whose_process_died_before_the_study_was_written(
    app: Command, began: Ended
) -> None:
    """The runs have the new key, the study has not: the same command makes the change."""
    for run in began.runs("app")[1:]:
        began.client.log_param(run.info.run_id, "floor", "0.1")
    ended = resume(app, began.path, 4, *BEFORE[1:], "floor=choice(0.1,0.3)")
    assert ended.code == 0, ended.err
    assert "all 3 earlier trials fit" in ended.out
    assert [trial.params["floor"] for trial in ended.study("s").trials[:3]] == [0.1] * 3


def pausing(idle: float) -> str:
    limits = f"{{patience: 1, epochs: 2, seconds: 0.001, idle_epochs: {idle}}}"
    return f"hydra.sweeper.pausing={limits}"


@pytest.mark.slow
def test_a_paused_trial_outside_of_the_space_rests(app: Command) -> None:
    known = "hydra.sweeper.enqueue=[{x:1},{x:2},{x:5}]"
    searched = ("hydra.sweeper.params=null", "x=choice(1,2,5)")
    trials = (NO_PRUNING, "hydra.sweeper.n_trials=3", "steps=6")
    began = app("-m", NEW[0], *searched, pausing(0.3), known, *trials)
    assert began.code == 0, began.err
    before = began.study("s").trials
    reached = {trial.params["x"]: len(trial.intermediate_values) for trial in before}
    assert max(reached.values()) < 6  # all of them could go on
    ended = app(
        "-m", "hydra.sweeper.resume=s", "hydra.sweeper.params=null", "x=choice(1,2)",
        pausing(3), *trials, path=began.path,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    after: dict[int, int] = {}
    for trial in ended.study("s").trials:
        x = trial.params["x"]
        after[x] = max(after.get(x, 0), len(trial.intermediate_values))
    assert after[5] == reached[5]
    assert max(after[1], after[2]) > max(reached[1], reached[2])


def test_a_trial_of_a_dead_sweep_outside_of_the_space_fails(app: Command, began: Ended) -> None:
    study = began.study("s")
    trial = study.ask()
    trial.suggest_categorical("x", (1, 2, 5))
    trial.suggest_categorical("rate", (0.2, 0.4))
    outside = trial.params["x"]
    left = sorted({1, 2, 5} - {outside})
    ended = resume(app, began.path, 5, f"x=choice({left[0]},{left[1]})", "rate=choice(0.2,0.4)")
    assert ended.code == 0, ended.err
    states = [t.state for t in ended.study("s").trials]
    assert states == [TrialState.COMPLETE] * 3 + [TrialState.FAIL] + [TrialState.COMPLETE]
    reason = ended.study("s").trials[3].user_attrs["result"]["reason"]
    assert reason == "its params are outside of the search space, which a resume has changed"


@pytest.mark.slow
def test_cma_es_keeps_its_ranges(app: Command) -> None:
    pytest.importorskip("cmaes")
    target = "hydra.sweeper.sampler._target_=optuna.samplers.CmaEsSampler"
    cma = (target, "+hydra.sweeper.sampler.n_startup_trials=1")
    searched = ("hydra.sweeper.params=null", "x=interval(0,6)", "floor=interval(0,1)", NO_PRUNING)
    began = app("-m", NEW[0], *searched, *cma, "hydra.sweeper.n_trials=4")
    assert began.code == 0, began.err
    wider = ("x=interval(0,9)", "hydra.sweeper.n_trials=5", "hydra.sweeper.resume=s")
    ended = app("-m", *searched, *wider, *cma, path=began.path)
    assert ended.code == 1
    assert "CmaEsSampler goes on in the ranges that it began with" in ended.err
    ended = app("-m", *searched, *wider, path=began.path)
    assert ended.code == 0, ended.err


@pytest.mark.slow
def test_a_training(command: Command, tmp_path: Path) -> None:
    """A study of trainings changes, is renamed, goes on, and is deleted."""

    def sweep(study: str, n_trials: int, *searched: str) -> Ended:
        given = ("hydra.sweeper.params=null", f"hydra.sweeper.n_trials={n_trials}", EAGER)
        ended = command("-m", study, *given, *searched, "fit.epochs=1", path=tmp_path)
        assert ended.code == 0, ended.err
        return ended

    def rnnexp(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(main, [*arguments, *stores(tmp_path)])
        assert result.exit_code == code, result.output
        return result.output

    uri = stores(tmp_path)[1]
    wider = ("model.units=choice(3,4,5)", "fit.batch_size=choice(50,20)")
    sweep("hydra.sweeper.study_name=s", 1, "model.units=choice(3,4)")
    ended = sweep("hydra.sweeper.resume=s", 2, *wider)
    assert "fit.batch_size is 50 in the earlier trials" in ended.out
    assert "all 1 earlier trials fit" in ended.out
    assert ended.study("s").trials[0].params["fit.batch_size"] == 50
    assert "its registered model is now models:/t" in rnnexp("rename", "s", "t")
    assert rnnexp("check", "t") == "0 differences\n"
    for arguments in (["publish", "t"], ["replay", "t/0"], ["compare", "t"]):
        result = CliRunner().invoke(main, [*arguments, uri])
        assert result.exit_code == 0, result.output
    sweep("hydra.sweeper.resume=t", 3, *wider)
    assert [model.name for model in ended.client.search_registered_models()] == ["t"]
    assert "(champion) in MLflow's registry" in rnnexp("delete", "t", "--yes", code=1)
    rnnexp("delete", "t", "--yes", "--champion")
    assert not list((tmp_path / "multirun").iterdir())
    assert not ended.client.search_registered_models()
