"""What the tutorial teaches: each choice is tested by training a real, tiny model."""

import csv
import io
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
import pytest
from mlflow.entities import Run
from omegaconf import DictConfig, OmegaConf

from rnnexp import data
from rnnexp.search.space import short_key
from tests.helpers.commands import EAGER, ROOT, Command, Ended

pytestmark = pytest.mark.slow

CLASSES = ("data.task=classes", "compile=sparse_categorical")
GOOD, BAD = "a good film,1", "a bad film,0"


@pytest.fixture(autouse=True)
def _examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs" / "examples")


class Batches(keras.callbacks.Callback):
    """A callback that keeps the losses of the last training by batch."""

    losses: ClassVar[list[list[float]]] = []  # the running mean, by epoch
    validated: ClassVar[list[int]] = []  # batches, by epoch

    def on_train_begin(self, *_: object, **__: object) -> None:
        self.losses.clear()
        self.validated.clear()

    def on_epoch_begin(self, *_: object, **__: object) -> None:
        self.losses.append([])
        self.validated.append(0)

    def on_train_batch_end(self, *_: object, logs: Any = None) -> None:
        self.losses[-1].append(float(logs["loss"]))

    def on_test_batch_end(self, *_: object, **__: object) -> None:
        self.validated[-1] += 1


BATCHES = f"+callbacks.batches._target_={__name__}.Batches"
STILL = "compile.optimizer.learning_rate=0.0"  # nothing is learned


@pytest.fixture(scope="module")
def plain(command: Command) -> Ended:
    return command()


def only(ended: Ended) -> Run:
    assert ended.code == 0, ended.err
    (run,) = ended.runs()
    return run


def curve(ended: Ended, metric: str) -> dict[int, float]:
    history = ended.client.get_metric_history(only(ended).info.run_id, metric)
    return {entry.step: entry.value for entry in history}


def artifacts(ended: Ended, path: str = "") -> set[str]:
    return {Path(f.path).name for f in ended.client.list_artifacts(only(ended).info.run_id, path)}


def checkpoint(ended: Ended) -> keras.Model:
    run = only(ended)
    file = ended.client.download_artifacts(run.info.run_id, run.data.tags["checkpoint"])
    return keras.models.load_model(file)


def table(path: Path, name: str, *rows: str, columns: str = "text,label") -> str:
    (path / name).write_text("\n".join([columns, *rows]) + "\n")
    return str(path / name)


def from_tables(path: Path, rows: list[str], columns: str = "text,label") -> list[str]:
    train = table(path, "train.csv", *rows, columns=columns)
    small = ("data.maxlen=4", "model.embedding_size=4", "model.units=4", "fit.batch_size=8")
    return ["data=table", f"data.train={train}", f"data.test={train}", *small, "fit.epochs=2"]


# --- losses and compile


def test_binary_crossentropy_is_a_natural_logarithm() -> None:
    loss = keras.losses.BinaryCrossentropy()(np.array([[1.0]]), np.array([[0.8]]))
    assert float(loss) == pytest.approx(0.2231, abs=5e-5)
    assert float(loss) == pytest.approx(-math.log(0.8), abs=1e-6)


def test_the_loss_of_two_classes_is_that_of_the_formula(
    plain: Ended, composed: Callable[..., DictConfig]
) -> None:
    test = data.load(composed().data).test()
    p = checkpoint(plain).predict(test.x, verbose=0)
    assert p.shape == (len(test.y), 1)
    losses = -np.log(np.where(test.y == 1, p[:, 0], 1 - p[:, 0]))
    assert only(plain).data.metrics["test_loss"] == pytest.approx(losses.mean(), rel=1e-4)


def test_both_forms_of_labels_train_the_same_model(command: Command) -> None:
    sparse = command("data.task=classes", "compile=sparse_categorical", "fit.epochs=3")
    one_hot = command("data.task=classes", "compile=categorical", "fit.epochs=3")
    assert curve(sparse, "val_loss") == pytest.approx(curve(one_hot, "val_loss"), rel=1e-4)
    assert only(sparse).data.metrics["test_accuracy"] == only(one_hot).data.metrics["test_accuracy"]
    dense = checkpoint(sparse).layers[-1]
    assert (dense.units, dense.activation) == (5, keras.activations.softmax)


def test_regression(command: Command) -> None:
    ended = command("data.task=regression", "compile=regression")
    metrics = only(ended).data.metrics
    assert metrics["val_root_mean_squared_error"] ** 2 == pytest.approx(
        metrics["val_loss"], rel=1e-3
    )
    assert {"val_mae", "test_mae", "test_root_mean_squared_error"} <= set(metrics)
    dense = checkpoint(ended).layers[-1]
    assert (dense.units, dense.activation) == (1, keras.activations.linear)


def test_weights_of_the_loss_and_of_metrics(command: Command) -> None:
    still = ("compile.optimizer.learning_rate=0.0", "fit.epochs=1", "callbacks=[]")
    once = command(*still, "compile.weighted_metrics=[accuracy]", "compile.metrics=null")
    twice = command(*still, "compile.loss_weights=[2.0]")
    assert "val_accuracy" in only(once).data.metrics
    assert curve(twice, "val_loss")[0] == pytest.approx(2 * curve(once, "val_loss")[0])


def test_a_schedule_in_the_optimizer(command: Command) -> None:
    ended = command(
        "compile.optimizer.learning_rate={_target_:keras.optimizers.schedules.ExponentialDecay,"
        "initial_learning_rate:0.01,decay_steps:2,decay_rate:0.5}",
        "fit.batch_size=48",  # 96 rows are 2 steps
    )
    assert curve(ended, "learning_rate") == pytest.approx({0: 0.005, 1: 0.0025})


# --- fit


def test_validation_data_of_its_own(command: Command, tmp_path: Path) -> None:
    validation = table(tmp_path, "validation.csv", *[GOOD] * 5, *[BAD] * 2)
    ended = command(
        *from_tables(tmp_path, [GOOD, BAD] * 20),
        f"fit.validation_data={validation}", tiny=False, path=tmp_path,
    )  # fmt: skip
    assert "fit.validation_split is ignored" in ended.out + ended.err
    dataset_loss = checkpoint(ended).evaluate(*_encoded(tmp_path, validation), verbose=0)[0]
    assert min(curve(ended, "val_loss").values()) == pytest.approx(dataset_loss, rel=1e-4)


def _encoded(path: Path, validation: str) -> tuple[np.ndarray, np.ndarray]:
    from rnnexp.data.table import Table

    train = str(path / "train.csv")
    part = Table(
        train=train, test=train, text="text", label="label", validation=validation,
        num_words=10000, maxlen=4, split="whitespace", seed=0,
    ).load().validation()  # fmt: skip
    assert part
    return part.x, part.y


def test_class_weight_and_sample_weight_say_the_same(command: Command, tmp_path: Path) -> None:
    """A class weight of 3 equals a sample weight of 3 for each row; validation has no weights."""
    weighted = [f"{GOOD},3", f"{BAD},1"] * 20
    validation = table(tmp_path, "validation.csv", f"{GOOD},1", f"{BAD},1", columns="text,label,w")
    options = [
        *from_tables(tmp_path, weighted, "text,label,w"),
        f"fit.validation_data={validation}",
    ]
    by_class = command(*options, "fit.class_weight={0:1.0,1:3.0}", tiny=False)
    losses = curve(by_class, "val_loss")
    by_row = command(*options, "fit.sample_weight=w", tiny=False)
    assert curve(by_row, "val_loss") == pytest.approx(losses, rel=1e-4)
    plain = command(*options, tiny=False)
    assert curve(plain, "val_loss") != pytest.approx(losses, rel=1e-3)


def test_balanced(command: Command, tmp_path: Path) -> None:
    options = [*from_tables(tmp_path, [GOOD, *[BAD] * 3] * 10), "fit.shuffle=false", EAGER]
    validation = table(tmp_path, "validation.csv", GOOD, BAD)
    options.append(f"fit.validation_data={validation}")
    balanced = command(*options, "fit.class_weight=balanced", tiny=False)
    given = command(*options, f"fit.class_weight={{0:{40 / 60},1:2.0}}", tiny=False)
    assert curve(balanced, "loss") == pytest.approx(curve(given, "loss"), rel=1e-5)


def test_going_on_from_a_checkpoint(command: Command, tmp_path: Path) -> None:
    keep = ("callbacks=[model_checkpoint]", "compile.optimizer.learning_rate=0.01")
    first = command(*keep, "fit.epochs=2", path=tmp_path)
    run_id, best = only(first).info.run_id, only(first).data.metrics["best_epoch"]
    second = command(
        *keep, f"checkpoint={run_id}", "fit.initial_epoch=2", "fit.epochs=4", path=tmp_path
    )
    assert second.code == 0, second.err
    went_on = next(r for r in second.runs() if r.info.run_id != run_id)
    history = second.client.get_metric_history(went_on.info.run_id, "val_loss")
    assert [entry.step for entry in history] == [2, 3]
    assert went_on.data.tags["continued_from"] == run_id
    file = second.client.download_artifacts(went_on.info.run_id, went_on.data.tags["checkpoint"])
    steps = math.ceil(96 / 50)
    epochs = (best + 1) + (went_on.data.metrics["best_epoch"] - 1)  # of both trainings
    assert int(keras.models.load_model(file).optimizer.iterations) == epochs * steps


def test_validation_every_second_epoch(command: Command) -> None:
    ended = command(
        "fit.validation_freq=2", "fit.epochs=8", "callbacks.early_stopping.patience=2",
        "callbacks=[early_stopping,model_checkpoint,reduce_lr_on_plateau,csv_logger]",
        "callbacks.model_checkpoint.filepath='${hydra:runtime.output_dir}/{epoch}.keras'",
        "compile.optimizer.learning_rate=0.0",  # the first value stays the best
    )  # fmt: skip
    assert sorted(curve(ended, "val_loss")) == [1, 3, 5]
    assert only(ended).data.metrics["best_epoch"] == 1
    assert artifacts(ended, "checkpoint") == {"2.keras"}
    assert "which is not available" not in ended.out + ended.err


def test_rows_of_a_step(command: Command) -> None:
    only(
        command(
            "fit.batch_size=10", "fit.validation_split=0.25", "fit.validation_batch_size=7",
            BATCHES, EAGER,
        )
    )  # fmt: skip
    assert [len(losses) for losses in Batches.losses] == [9, 9]  # 90 rows in tens
    assert Batches.validated == [5, 5]  # 30 rows in sevens


def test_shuffle(command: Command) -> None:
    """Without learning, the losses of the batches are the same if their order is the same."""

    def losses(shuffle: str) -> list[list[float]]:
        only(command(f"fit.shuffle={shuffle}", "fit.batch_size=10", STILL, BATCHES, EAGER))
        return [*Batches.losses]

    in_order, within, mixed = losses("false"), losses("batch"), losses("true")
    assert within == [pytest.approx(in_order[0], rel=1e-5)] * 2
    assert in_order[1] == pytest.approx(in_order[0], rel=1e-5)
    assert mixed[0] != pytest.approx(in_order[0], rel=1e-5)


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_verbose(command: Command, verbose: int) -> None:
    ended = command(f"fit.verbose={verbose}", EAGER)
    only(ended)
    assert ("Epoch 1/2" in ended.out) == (verbose > 0)
    assert ("━" in ended.out) == (verbose == 1)


def test_the_progress_bar_of_a_trial_is_in_its_log(command: Command) -> None:
    ended = command(
        "-m", "fit.verbose=1", "hydra.sweeper.params=null", "model.units=choice(2,3)", EAGER,
        "hydra.sweeper.n_trials=2",
    )  # fmt: skip
    assert "━" not in ended.out.partition("trial 1")[0]
    logs = [file.read_text() for file in ended.path.glob("multirun/*/*/sweep.log")]
    assert len(logs) == 2
    assert all("Epoch 1/2" in text and "━" in text for text in logs)


# --- callbacks


@pytest.mark.parametrize(
    ("options", "rate", "epochs"),
    [
        (["patience=2"], 0.0, 3),  # the first value stays the best
        (["patience=2", "start_from_epoch=2"], 0.0, 5),
        (["patience=1", "min_delta=9"], 0.01, 2),
        (["patience=2", "baseline=0.01"], 0.0, 2),  # out of reach, so the first value is no best
        (["patience=2", "baseline=9"], 0.0, 3),
        (["patience=1", "monitor=val_accuracy", "mode=max"], 0.0, 2),
        (["patience=1", "monitor=loss", "mode=min"], 0.01, 6),
    ],
)
def test_early_stopping(command: Command, options: list[str], rate: float, epochs: int) -> None:
    ended = command(
        "callbacks=[early_stopping]", "fit.epochs=6", "fit.shuffle=false", EAGER,
        f"compile.optimizer.learning_rate={rate}",
        *(f"callbacks.early_stopping.{option}" for option in options),
    )  # fmt: skip
    assert sorted(curve(ended, "loss")) == [*range(epochs)]


def test_every_epochs_file(command: Command) -> None:
    ended = command(
        "callbacks.model_checkpoint.save_best_only=false", "fit.epochs=3",
        "callbacks.model_checkpoint.filepath='${hydra:runtime.output_dir}/{epoch:02d}.keras'",
    )  # fmt: skip
    assert artifacts(ended, "checkpoint") == {"01.keras", "02.keras", "03.keras"}
    run = only(ended)
    best = int(run.data.metrics["best_epoch"])
    assert run.data.tags["checkpoint"] == f"checkpoint/{best + 1:02d}.keras"


def test_weights_alone(command: Command, plain: Ended) -> None:
    ended = command(
        "callbacks.model_checkpoint.save_weights_only=true",
        "callbacks.model_checkpoint.filepath='${hydra:runtime.output_dir}/best.weights.h5'",
    )
    metrics = only(ended).data.metrics
    assert artifacts(ended, "checkpoint") == {"best.weights.h5"}
    whole = only(plain).data.metrics
    assert metrics["test_loss"] == pytest.approx(whole["test_loss"], rel=1e-5)


def test_reduce_lr_on_plateau(command: Command) -> None:
    ended = command(
        "callbacks=[model_checkpoint,reduce_lr_on_plateau]", "fit.epochs=5",
        "callbacks.reduce_lr_on_plateau.patience=1", "callbacks.reduce_lr_on_plateau.min_delta=9",
        "callbacks.reduce_lr_on_plateau.min_lr=0.0002",
    )  # fmt: skip
    rates = curve(ended, "learning_rate")
    assert [rates[epoch] for epoch in range(5)] == pytest.approx(
        [0.0005, 0.0005, 0.00025, 0.0002, 0.0002]
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["schedule=exponential", "decay=0.5"], [0.0005, 0.00025, 0.000125]),
        (["schedule=cosine"], [0.0005, 0.000375, 0.000125]),
        (["schedule=warm_up", "warm_up_epochs=2"], [0.00025, 0.0005, 0.0005]),
        (["schedule=own.halves"], [0.0005, 0.0005, 0.00025]),
    ],
)
def test_learning_rate_scheduler(
    command: Command, options: list[str], expected: list[float]
) -> None:
    ended = command(
        "callbacks=[learning_rate_scheduler]", "fit.epochs=3", EAGER,
        *(f"callbacks.learning_rate_scheduler.{option}" for option in options),
    )  # fmt: skip
    rates = curve(ended, "learning_rate")
    assert [rates[epoch] for epoch in range(3)] == pytest.approx(expected, rel=1e-4)


def test_tensorboard_and_csv_logger(command: Command) -> None:
    ended = command("callbacks=[tensorboard,csv_logger]")
    (folder,) = (ended.path / "outputs").iterdir()
    for part in ("train", "validation"):
        assert list((folder / part).glob("events.out.tfevents.*"))
    text = ended.client.download_artifacts(only(ended).info.run_id, "epochs.csv")
    rows = list(csv.DictReader(io.StringIO(Path(text).read_text())))
    assert [int(row["epoch"]) for row in rows] == [0, 1]
    assert float(rows[1]["val_loss"]) == pytest.approx(curve(ended, "val_loss")[1], rel=1e-5)


def test_terminate_on_nan(command: Command) -> None:
    """The diverging trial of a sweep comes first: its accuracy would make it the best."""
    ended = command(
        "-m", "callbacks=[terminate_on_nan,model_checkpoint]", "fit.epochs=5", EAGER,
        "compile.optimizer._target_=keras.optimizers.SGD", "hydra.sweeper.params=null",
        "compile.optimizer.learning_rate=choice(0.0,1e38)", "hydra.sweeper.n_trials=2",
        "hydra.sweeper.enqueue=[{compile.optimizer.learning_rate:1e38}]", "pruner=none",
        "objective.monitor=val_accuracy", "objective.mode=max",  # which is a number even then
    )  # fmt: skip
    assert ended.code == 0, ended.err
    study, bad, good = ended.runs()
    assert (bad.info.status, good.info.status) == ("FAILED", "FINISHED")
    reason = re.fullmatch(r"loss was (?:nan|inf) at epoch (\d)", bad.data.tags["reason"])
    assert reason
    trained = ended.client.get_metric_history(bad.info.run_id, "loss")
    assert [entry.step for entry in trained] == [*range(int(reason[1]) + 1)]
    assert len(trained) < 5
    assert study.data.metrics["best_trial"] == 1


def test_a_single_run_that_diverged_has_failed(command: Command) -> None:
    ended = command(
        "callbacks=[terminate_on_nan]", "compile.optimizer._target_=keras.optimizers.SGD",
        "compile.optimizer.learning_rate=1e38", EAGER,
    )  # fmt: skip
    (run,) = ended.runs()
    assert run.info.status == "FAILED"
    assert re.fullmatch(r"loss was (nan|inf) at epoch \d", run.data.tags["reason"])
    assert "the run has failed: loss was " in ended.out + ended.err


def test_the_users_own_callback(command: Command) -> None:
    own = ("+callbacks.own._target_=own.Announce", "+callbacks.own.word=is over")
    ended = command("-m", *own, "hydra.sweeper.n_trials=2", "pruner=none")
    assert ended.code == 0, ended.err
    logs = [file.read_text() for file in sorted(ended.path.glob("multirun/*/*/sweep.log"))]
    for text in logs:  # each trial has a callback of its own
        assert "epoch 1 is over, 2 in all" in text
    assert len(logs) == 2


# --- models


@pytest.mark.parametrize(
    ("arguments", "layer"),
    [
        (["model=simple_rnn"], keras.layers.SimpleRNN),
        (["model=lstm", "model.dropout=0.2", "model.recurrent_dropout=0.1"], keras.layers.LSTM),
        (["model=gru", "model.mask_zero=true"], keras.layers.GRU),
        (["model=bidirectional", "model.layer=keras.layers.GRU"], keras.layers.Bidirectional),
        (["model=stacked", "model.depth=3", "model.mask_zero=true"], keras.layers.LSTM),
    ],
)
def test_models(command: Command, arguments: list[str], layer: type) -> None:
    ended = command(*arguments)
    rnn = checkpoint(ended).layers[1]
    assert isinstance(rnn, layer)
    if "model=lstm" in arguments:
        assert (rnn.dropout, rnn.recurrent_dropout) == (0.2, 0.1)
    if "model=stacked" in arguments:
        recurrent = checkpoint(ended).layers[1:-1]
        assert [layer.return_sequences for layer in recurrent] == [True, True, False]
    assert math.isfinite(only(ended).data.metrics["test_loss"])


@pytest.mark.parametrize("trainable", [True, False])
def test_word_vectors(
    command: Command, composed: Callable[..., DictConfig], tmp_path: Path, trainable: bool
) -> None:
    words = data.load(composed().data).words
    file = tmp_path / "vectors.txt"
    lines = "".join(f"{word} 0.5 -0.5 0.25 1\n" for word in words)
    head = "" if trainable else f"{len(words) + 1} 4\n1999 0 0 0 0\n"  # as word2vec writes it
    file.write_text(head + lines)
    ended = command(f"model.embedding_file={file}", f"model.embedding_trainable={trainable}")
    weights = checkpoint(ended).layers[0].get_weights()[0][3:]
    still = np.allclose(weights, [0.5, -0.5, 0.25, 1])
    assert still != trainable


def test_the_users_own_model(command: Command) -> None:
    ended = command("model=own", "model.function=own.model", *CLASSES)
    assert checkpoint(ended).layers[-1].units == 5
    assert checkpoint(ended).layers[1].filters == 4


# --- sweeps over choices


@pytest.mark.parametrize(
    ("arguments", "key", "values"),
    [
        (["model=choice(lstm,gru)"], "model", {"lstm", "gru"}),
        (
            ["compile.optimizer._target_=choice(keras.optimizers.SGD,keras.optimizers.RMSprop)"],
            "compile.optimizer._target_",
            {"keras.optimizers.SGD", "keras.optimizers.RMSprop"},
        ),
        (
            ["compile=choice(categorical,sparse_categorical)", "data.task=classes"],
            "compile",
            {"categorical", "sparse_categorical"},
        ),
        (  # by a metric that does not depend on the loss
            [
                "compile.loss=choice(mse,binary_crossentropy)",
                "objective.monitor=val_accuracy",
            ],
            "compile.loss",
            {"mse", "binary_crossentropy"},
        ),
        (
            ["callbacks.early_stopping.patience=choice(2,5)"],
            "callbacks.early_stopping.patience",
            {"2", "5"},
        ),
    ],
)
def test_sweeps(command: Command, arguments: list[str], key: str, values: set[str]) -> None:
    ended = command(
        "-m", *arguments, "hydra.sweeper.params=null", "hydra.sweeper.n_trials=2", "fit.epochs=1",
        EAGER,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    _, *trials = ended.runs()
    assert {run.data.params[key] for run in trials} == values
    assert [run.info.status for run in trials] == ["FINISHED", "FINISHED"]
    for run in trials:
        file = ended.client.download_artifacts(run.info.run_id, "config.yaml")
        config = OmegaConf.load(file)
        assert run.data.tags["mlflow.runName"] == f"{short_key(key)}={run.data.params[key]}"
        if key != "model":
            found = OmegaConf.select(config, key)
            assert str(found) == run.data.params[key] or key == "compile"
        else:
            layer = {"lstm": "keras.layers.LSTM", "gru": "keras.layers.GRU"}
            assert config.model.rnn._target_ == layer[run.data.params[key]]


def test_a_space_with_conditions(command: Command) -> None:
    """Dropout is only searched for the LSTM, momentum only for SGD."""
    ended = command("-m", "sweeps=conditional", "hydra.sweeper.n_trials=6", "fit.epochs=1", EAGER)
    assert ended.code == 0, ended.err
    _, *trials = ended.runs()
    for run in trials:
        params = run.data.params
        assert ("model.dropout" in params) == (params["model"] == "lstm")
        sgd = params["compile.optimizer._target_"] == "keras.optimizers.SGD"
        assert ("compile.optimizer.momentum" in params) == sgd
