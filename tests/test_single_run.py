"""``python sweep.py`` without ``-m``: the tutorial's training run."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path

import keras
import pytest
from omegaconf import DictConfig

from rnnexp import data
from rnnexp.training.model import build
from tests.helpers.commands import EAGER, Command, Ended


@pytest.fixture(scope="module")
def trained(command: Command) -> Ended:
    return command("fit.epochs=3")


def test_it_prints_loss_and_accuracy_of_the_checkpoint_on_the_test_part(
    trained: Ended, composed: Callable[..., DictConfig], tmp_path: Path
) -> None:
    assert trained.code == 0, trained.err
    printed = re.search(r"^loss (\d\.\d{4}), accuracy (\d\.\d{4})$", trained.out, re.MULTILINE)
    assert printed
    (run,) = trained.runs()
    path = trained.client.download_artifacts(
        run.info.run_id, "checkpoint/best.keras", str(tmp_path)
    )
    test = data.load(composed().data).test()
    model = keras.models.load_model(path)
    loss, accuracy = model.evaluate(test.x, test.y, batch_size=250, verbose=0)
    assert float(printed[1]) == pytest.approx(loss, abs=1e-4)
    assert float(printed[2]) == pytest.approx(accuracy, abs=1e-4)
    assert run.data.metrics["test_loss"] == pytest.approx(loss, rel=1e-5)


def test_metrics_of_the_test_part_have_the_names_of_the_training(command: Command) -> None:
    metrics = "compile.metrics=[accuracy,{_target_:keras.metrics.AUC}]"
    ended = command(metrics, "fit.epochs=1", EAGER)
    assert ended.code == 0, ended.err
    (run,) = ended.runs()
    assert {"val_auc", "test_auc", "test_accuracy"} <= set(run.data.metrics)


def test_it_is_a_run_of_its_own(trained: Ended) -> None:
    (run,) = trained.runs()
    assert run.info.status == "FINISHED"
    assert "mlflow.parentRunId" not in run.data.tags
    assert trained.files() == {"mlflow.db", "mlruns", "outputs"}
    assert "Epoch 3/3" in trained.out


def test_the_defaults_are_the_tutorials(composed: Callable[..., DictConfig]) -> None:
    config = composed("model.embedding_size=32", "model.units=64", "fit.epochs=100")
    dataset = data.load(config.data)
    model = build(config, dataset)
    embedding, rnn, dense = model.layers
    assert isinstance(embedding, keras.layers.Embedding)
    assert (embedding.input_dim, embedding.output_dim) == (len(dataset.words) + 3, 32)
    assert isinstance(rnn, keras.layers.SimpleRNN)
    assert rnn.units == 64
    assert (dense.units, dense.activation) == (1, keras.activations.sigmoid)
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.0005)
    assert isinstance(model.loss, keras.losses.BinaryCrossentropy)
    assert (config.fit.batch_size, config.fit.epochs, config.fit.validation_split) == (50, 100, 0.2)
    own = ("batch_size", "epochs", "validation_split", "verbose")
    several = ("folds", "groups", "repeats", "refit")
    keras_defaults = inspect.signature(keras.Model.fit).parameters
    for name in config.fit.keys() - {*own, *several}:
        assert config.fit[name] == keras_defaults[name].default, name
    stopping, checkpoint = config.callbacks.early_stopping, config.callbacks.model_checkpoint
    assert (stopping.monitor, stopping.patience, stopping.restore_best_weights) == (
        "val_loss",
        5,
        True,
    )
    assert (checkpoint.monitor, checkpoint.save_best_only) == ("val_loss", True)
    assert config.evaluate.batch_size == 250


def test_any_keras_class_is_a_config_away(command: Command) -> None:
    ended = command(
        "model.rnn._target_=keras.layers.GRU",
        "compile.optimizer._target_=keras.optimizers.SGD",
        "compile.optimizer.learning_rate=0.1",
        "+compile.optimizer.momentum=0.9",
        "compile.loss={_target_:keras.losses.BinaryFocalCrossentropy}",
        "compile.metrics=[accuracy,{_target_:keras.metrics.AUC,name:auc},"
        "{_target_:keras.metrics.F1Score,threshold:0.5}]",
        "objective.monitor=val_auc",
        "objective.mode=max",
        "+callbacks.nan={_target_:keras.callbacks.TerminateOnNaN}",
    )
    assert ended.code == 0, ended.err
    (run,) = ended.runs()
    assert {"val_auc", "test_auc", "val_f1_score", "test_f1_score"} <= set(run.data.metrics)
    assert run.data.metrics["learning_rate"] == pytest.approx(0.1)


def test_without_a_checkpoint_there_is_nothing_to_evaluate(command: Command) -> None:
    ended = command("callbacks=[early_stopping]")
    assert ended.code == 0, ended.err
    assert "has no checkpoint" in ended.out + ended.err


def test_a_run_may_change_its_folder(command: Command) -> None:
    ended = command("hydra.job.chdir=true", "fit.epochs=1")
    assert ended.code == 0, ended.err
    assert ended.files() == {"mlflow.db", "mlruns", "outputs"}
    for experiment in ended.client.search_experiments():
        assert experiment.artifact_location.startswith(str(ended.path / "mlruns"))
