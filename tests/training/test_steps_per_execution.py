"""Trainings with several steps for each call of the callbacks."""

from collections.abc import Callable, Mapping

import keras
import pytest
from omegaconf import DictConfig, OmegaConf

from rnnexp import data
from rnnexp.training.callbacks import ModelCheckpoint
from rnnexp.training.fit_arguments import fit_arguments
from rnnexp.training.model import build
from rnnexp.training.steps_per_execution import KEY, STEPS, needs_batches, problems, settle
from rnnexp.training.streams import fit_on_streams

Composed = Callable[..., DictConfig]
callbacks = keras.callbacks


class OnEpochs(callbacks.Callback):
    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        pass


class OnTests(callbacks.Callback):
    def on_test_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        pass


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (callbacks.EarlyStopping, False),
        (callbacks.TerminateOnNaN, False),
        (lambda: callbacks.ModelCheckpoint("a.keras"), False),
        (lambda: callbacks.ModelCheckpoint("a.keras", save_freq=5), True),
        (lambda: ModelCheckpoint(filepath="a.keras"), False),
        (lambda: ModelCheckpoint(filepath="a.keras", save_freq=5), True),
        (lambda: callbacks.BackupAndRestore("a"), False),
        (lambda: callbacks.CSVLogger("a.csv"), False),
        (lambda: callbacks.TensorBoard("a"), True),
        (lambda: callbacks.LambdaCallback(on_epoch_end=print), False),
        (lambda: callbacks.LambdaCallback(on_train_batch_end=print), True),
        (OnEpochs, False),
        (OnTests, True),
    ],
)
def test_needs_batches(make: Callable[[], callbacks.Callback], expected: bool) -> None:
    assert needs_batches(make()) == expected


@pytest.mark.parametrize(
    ("overrides", "chosen", "expected"),
    [
        ([], [], STEPS),
        ([], [OnEpochs()], STEPS),
        ([], [OnEpochs(), OnTests()], 1),
        ([f"~{KEY}"], [], STEPS),
        ([f"{KEY}=3"], [OnTests()], 3),
        (["fit.verbose=1"], [], 1),
        (["+compile.run_eagerly=true"], [], 1),
        (["+fit.steps_per_epoch=2"], [], 1),
        (["data.bucketing=2"], [], 1),
        (["model=lstm", "model.units=400", "fit.batch_size=100"], [], 1),  # long steps
    ],
)
def test_it_is_settled_before_the_training(
    composed: Composed, overrides: list[str], chosen: list[callbacks.Callback], expected: int
) -> None:
    config = composed(*overrides)
    dataset = data.load(config.data)
    model, arguments = build(config, dataset), fit_arguments(config, dataset)
    assert model.steps_per_execution == 1
    assert settle(config, model, arguments, chosen) == expected
    assert model.steps_per_execution == expected
    assert OmegaConf.select(config, KEY) == expected  # what the run stores, and a replay does


def history(config: DictConfig) -> tuple[dict[str, list[float]], int]:
    """Train; return the metrics, and how often Keras called back for a batch of training."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    dataset = data.load(config.data)
    model, arguments, calls = build(config, dataset), fit_arguments(config, dataset), []
    settle(config, model, arguments, [])
    given = fit_on_streams(arguments, seed=0)
    count = callbacks.LambdaCallback(on_train_batch_end=lambda batch, **_: calls.append(batch))
    given["callbacks"].append(count)
    return model.fit(**given).history, len(calls)


@pytest.mark.parametrize("jit", ["false", pytest.param("true", marks=pytest.mark.slow)])
def test_metrics_are_equal_to_the_last_bit(composed: Composed, jit: str) -> None:
    # 80 rows to train on in batches of 3: 27 steps, the last of 2 rows; 7 steps of validation.
    common = ["fit.batch_size=3", "fit.verbose=0", "fit.epochs=3", "model.dropout=0.2"]
    common += ["data.n_train=100", f"compile.jit_compile={jit}"]
    one_by_one, many = history(composed(*common, f"{KEY}=1"))
    at_once, few = history(composed(*common))
    assert at_once == one_by_one
    assert (many, few) == (3 * 27, 3 * 2)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], []),
        ([f"{KEY}=8"], []),
        ([f"{KEY}=0"], [f"{KEY}=0: must be a whole number, at least 1, or auto"]),
        ([f"{KEY}=null"], [f"{KEY}=None: must be a whole number, at least 1, or auto"]),
        ([f"{KEY}=4", "+fit.steps_per_epoch=8"], []),
        (
            [f"{KEY}=4", "+fit.validation_steps=6"],
            [
                f"fit.validation_steps=6: Keras would run steps until there are a multiple of "
                f"{KEY}=4; give such a multiple"
            ],
        ),
    ],
)
def test_problems(composed: Composed, overrides: list[str], expected: list[str]) -> None:
    assert problems(composed(*overrides)) == expected
