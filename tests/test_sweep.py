"""Whole sweeps through the real Hydra, Keras, Optuna and MLflow, read back by their clients."""

import shlex
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from mlflow.entities import Run
from omegaconf import DictConfig, OmegaConf
from optuna.trial import TrialState

from rnnexp import data
from tests.helpers.commands import PRUNE_AT_2, ROOT, TINY, Command, Ended, metrics


@pytest.fixture(scope="module")
def swept(command: Command) -> Ended:
    """Six trials: with 1 or 2 epochs a trial completes, with 4 epochs it is pruned at epoch 2."""
    return command(
        "-m",
        *PRUNE_AT_2,
        "hydra.sweeper.n_trials=6",
        "hydra.sweeper.study_name=six",
        "sampler=random",
        "fit.epochs=choice(1,2,4)",
        "model.units=choice(4,5)",
    )


def artifacts(ended: Ended, run: Run) -> set[str]:
    return {item.path for item in ended.client.list_artifacts(run.info.run_id)}


def test_a_sweep_ends_with_success_and_leaves_the_documented_files(swept: Ended) -> None:
    assert swept.code == 0, swept.err
    assert swept.files() == {"mlflow.db", "mlruns", "multirun", "optuna.db"}
    folders = {path.name for path in (swept.path / "multirun" / "six").iterdir()}
    assert folders == {"0", "1", "2", "3", "4", "5", "optimization_results.yaml", "report"}


def test_the_rows_are_counted_once_before_the_first_trial(swept: Ended) -> None:
    line = "data: 96 training, 24 validation, 40 test rows; by class 0: "
    assert swept.out.count(line) == 1
    assert swept.out.index(line) < swept.out.index("trial 0 ")


def test_a_trial_is_pruned_at_the_epoch_of_the_pruner(swept: Ended) -> None:
    trials = swept.study().trials
    assert len(trials) == 6
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in trials:
        pruned = trial.params["fit.epochs"] == 4
        assert trial.state == (TrialState.PRUNED if pruned else TrialState.COMPLETE)
        epochs = 3 if pruned else trial.params["fit.epochs"]
        assert sorted(trial.intermediate_values) == list(range(epochs))


def test_mlflow_and_optuna_agree_on_every_trial(swept: Ended) -> None:
    parent, *children = swept.runs()
    ends = {"COMPLETE": "FINISHED", "PRUNED": "KILLED"}
    for trial, run in zip(swept.study().trials, children, strict=True):
        tags = run.data.tags
        assert tags["mlflow.parentRunId"] == parent.info.run_id
        assert (tags["study"], tags["trial"]) == ("six", str(trial.number))
        assert tags["state"] == trial.state.name
        assert run.info.status == ends[trial.state.name]
        assert ("reason" in tags) == (trial.state == TrialState.PRUNED)
        assert run.info.run_id == trial.user_attrs["mlflow_run_id"]
        assert dict(metrics(swept, run, "val_loss")) == pytest.approx(trial.intermediate_values)


def test_a_run_has_its_params_metrics_and_artifacts(swept: Ended) -> None:
    for trial, run in zip(swept.study().trials, swept.runs()[1:], strict=True):
        assert run.data.params == {key: str(value) for key, value in trial.params.items()}
        assert set(trial.params) >= {"compile.optimizer.learning_rate", "fit.batch_size"}
        epochs = sorted(trial.intermediate_values)
        for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
            assert [step for step, _ in metrics(swept, run, name)] == epochs
        rate = trial.params["compile.optimizer.learning_rate"]
        assert run.data.metrics["learning_rate"] == pytest.approx(rate, rel=1e-6)
        best = min(trial.intermediate_values, key=trial.intermediate_values.__getitem__)
        assert run.data.metrics["best_epoch"] == best
        value = trial.intermediate_values[best]
        assert run.data.metrics["best_value"] == pytest.approx(value)
        if trial.state == TrialState.COMPLETE:
            assert trial.value == pytest.approx(value)
        files = {"config.yaml", "environment.json", "overrides.yaml", "sweep.log"}
        # The checkpoint of a pruned trial is deleted.
        kept = {"checkpoint"} if trial.state == TrialState.COMPLETE else set()
        # The best trial's model has been evaluated.
        kept |= {"evaluation"} if trial.number == swept.study().best_trial.number else set()
        assert artifacts(swept, run) == files | kept


def test_a_run_stores_how_it_was_trained(swept: Ended, tmp_path: Path) -> None:
    for trial, run in zip(swept.study().trials, swept.runs()[1:], strict=True):

        def fetch(name: str, run: Run = run) -> Path:
            return Path(swept.client.download_artifacts(run.info.run_id, name, str(tmp_path)))

        config = OmegaConf.load(fetch("config.yaml"))
        assert config.model.network.layers[2].units == trial.params["model.units"]
        assert config.fit.batch_size == trial.params["fit.batch_size"]
        assert config.model.input_dim == config.model.network.layers[1].input_dim > 3
        overrides = OmegaConf.load(fetch("overrides.yaml"))
        assert f"model.units={trial.params['model.units']}" in overrides
        assert set(TINY) - {"model.units=4", "fit.epochs=2", "model.embedding_size=4"} <= set(
            overrides
        )
        # What Keras prints of an epoch is in the trial's log, not on the terminal.
        assert "val_accuracy" in fetch("sweep.log").read_text()
    assert "val_accuracy" not in swept.out


def test_the_study_run_counts_and_has_the_test_result_of_the_best(
    swept: Ended, composed: Callable[..., DictConfig], tmp_path: Path
) -> None:
    study, (parent, *_) = swept.study(), swept.runs()
    shown = parent.data.metrics
    states = [trial.state for trial in study.trials]
    assert shown["trials_complete"] == states.count(TrialState.COMPLETE)
    assert shown["trials_pruned"] == states.count(TrialState.PRUNED)
    assert shown["trials_fail"] == 0
    assert shown["best_trial"] == study.best_trial.number
    assert shown["best_value"] == pytest.approx(study.best_value)
    assert parent.info.status == "FINISHED"
    assert parent.data.params["search.model.units"] == "choice(4,5)"

    # The checkpoint is the model of the best epoch: its evaluation gives the monitored value,
    # and the metrics of the study's run on the test part.
    best = study.best_trial.user_attrs["mlflow_run_id"]
    path = swept.client.download_artifacts(best, "checkpoint/best.keras", str(tmp_path))
    model = keras.models.load_model(path)
    dataset = data.load(composed().data)
    train, held_out = dataset.train(), dataset.test()
    validation = model.evaluate(train.x[96:], train.y[96:], verbose=0, return_dict=True)
    assert validation["loss"] == pytest.approx(study.best_value, rel=1e-5)
    test = model.evaluate(held_out.x, held_out.y, verbose=0, return_dict=True)
    assert shown["test_loss"] == pytest.approx(test["loss"], rel=1e-5)
    assert shown["test_accuracy"] == pytest.approx(test["accuracy"])


def test_the_summary_names_the_study_its_best_trial_and_the_next_commands(swept: Ended) -> None:
    study, parent = swept.study(), swept.runs()[0]
    best = study.best_trial
    for text in (
        "Study six",
        f"Best trial: {best.number}",
        str(best.params["compile.optimizer.learning_rate"]),
        best.user_attrs["mlflow_run_id"],
        f"{parent.data.metrics['test_accuracy']:.4f}",
        "mlflow ui ",
        f"#/experiments/{parent.info.experiment_id}/runs",
        f"python {shlex.quote(str(ROOT / 'sweep.py'))} data.n_train=",
        "--study-name six",
    ):
        assert text in swept.out


def test_a_study_is_not_continued_by_accident(command: Command, swept: Ended) -> None:
    second = command("-m", "hydra.sweeper.study_name=six", path=swept.path)
    assert second.code == 1
    assert "there is such a study" in second.err
    assert len(swept.study().trials) == 6


def test_a_trial_that_fails_fails_alone(command: Command) -> None:
    ended = command(
        "-m",
        "sampler=random",
        "hydra.sweeper.n_trials=4",
        "model.units=choice(4,5)",
        "+callbacks.fail={_target_:tests.helpers.failing.FailAt,epoch:1,units:5}",
    )
    assert ended.code == 0, ended.err
    study = ended.study()
    assert {trial.params["model.units"] for trial in study.trials} == {4, 5}
    for trial, run in zip(study.trials, ended.runs()[1:], strict=True):
        failed = trial.params["model.units"] == 5
        assert trial.state == (TrialState.FAIL if failed else TrialState.COMPLETE)
        assert run.info.status == ("FAILED" if failed else "FINISHED")
        assert [step for step, _ in metrics(ended, run, "loss")] == [0, 1][: 1 if failed else 2]
        if failed:
            assert run.data.tags["reason"] == "RuntimeError: out of luck"
            text = ended.client.download_artifacts(run.info.run_id, "traceback.txt")
            assert "in on_epoch_end" in Path(text).read_text()
            assert not list(ended.path.rglob("backup.npz"))
    assert study.best_trial.params["model.units"] == 4


@pytest.mark.slow
def test_too_many_failures_stop_the_sweep(command: Command) -> None:
    ended = command(
        "-m",
        "hydra.sweeper.n_trials=9",
        "model.units=choice(4,5)",
        "+callbacks.fail4={_target_:tests.helpers.failing.FailAt,epoch:0,units:4}",
        "+callbacks.fail5={_target_:tests.helpers.failing.FailAt,epoch:0,units:5}",
    )
    assert ended.code == 1
    assert "5 of the last 5 failed" in ended.err
    assert "0 complete, 0 pruned, 5 fail" in ended.out
    assert [trial.state for trial in ended.study().trials] == [TrialState.FAIL] * 5
    assert ended.runs()[0].info.status == "FAILED"


@pytest.mark.slow
def test_the_same_seed_gives_the_same_search(command: Command) -> None:
    arguments = ("-m", "hydra.sweeper.n_trials=2", "fit.epochs=1")
    first, second = command(*arguments), command(*arguments)
    other = command(*arguments, "seed=7")
    params = [[trial.params for trial in ended.study().trials] for ended in (first, second, other)]
    assert params[0] == params[1] != params[2]
    values = [[trial.value for trial in ended.study().trials] for ended in (first, second)]
    assert np.allclose(*values)


def test_trials_can_be_handed_to_the_launcher_in_batches(command: Command) -> None:
    ended = command("-m", "hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=2", "fit.epochs=1")
    assert ended.code == 0
    assert [trial.state for trial in ended.study().trials] == [TrialState.COMPLETE] * 3
    assert [run.data.tags["trial"] for run in ended.runs()[1:]] == ["0", "1", "2"]


def test_a_folder_with_any_name(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "it's 한글"
    path.mkdir()
    ended = command(
        "-m",
        "hydra.sweeper.n_trials=1",
        "fit.epochs=1",
        "hydra.sweeper.study_name='a b'",
        path=path,
    )
    assert ended.code == 0, ended.err
    assert ended.files() == {"mlflow.db", "mlruns", "multirun", "optuna.db"}
    assert "mlflow ui    and open" in ended.out
    assert "--study-name 'a b'" in ended.out
    assert "at epoch 0" in ended.out


def test_added_keys_and_float_steps_are_searched_and_logged_as_given(command: Command) -> None:
    ended = command(
        "-m",
        "hydra.sweeper.n_trials=3",
        "fit.epochs=1",
        "+compile.optimizer.amsgrad=choice(true,false)",
        "++compile.optimizer.learning_rate=range(0.1,0.5,0.1)",
        "++model.units=5",
    )
    assert ended.code == 0, ended.err
    for run in ended.runs()[1:]:
        assert run.data.params["compile.optimizer.amsgrad"] in ("True", "False")
        assert run.data.params["compile.optimizer.learning_rate"] in ("0.1", "0.2", "0.3", "0.4")
        assert "model.units" not in run.data.params


def test_a_metric_that_keras_names_can_be_monitored(command: Command) -> None:
    ended = command(
        "-m",
        "hydra.sweeper.n_trials=1",
        "compile.metrics=[{_target_:keras.metrics.AUC}]",
        "objective.monitor=val_auc",
        "objective.mode=max",
    )
    assert ended.code == 0, ended.err


def test_a_job_may_change_its_folder(command: Command) -> None:
    ended = command("-m", "hydra.sweeper.n_trials=2", "fit.epochs=1", "hydra.job.chdir=true")
    assert ended.code == 0, ended.err
    assert ended.files() == {"mlflow.db", "mlruns", "multirun", "optuna.db"}
    assert [trial.state for trial in ended.study().trials] == [TrialState.COMPLETE] * 2


def test_maximizing_accuracy(command: Command) -> None:
    ended = command("-m", "hydra.sweeper.n_trials=3", "objective.monitor=val_accuracy")
    study = ended.study()
    assert study.user_attrs["objective"] == "max val_accuracy"
    assert study.direction.name == "MAXIMIZE"
    for trial in study.trials:
        if trial.state == TrialState.COMPLETE:
            assert trial.value == pytest.approx(max(trial.intermediate_values.values()))
    assert study.best_value == max(t.value for t in study.trials if t.value is not None)
