"""Trainings whose loops are unrolled, and when they are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from omegaconf import DictConfig, OmegaConf

from rnnexp import data
from rnnexp.training import jit
from rnnexp.training.fit_arguments import fit_arguments
from rnnexp.training.model import build
from rnnexp.training.unroll import KEY, pays, problems, settle, turn_off

Composed = Callable[..., DictConfig]

WORDS = 8  # of the texts of `composed`
LONG = "fit.batch_size=10", "fit.epochs=5", "data.n_train=1000"  # 80 x 5 batches


@pytest.mark.parametrize(
    ("words", "rows", "batch_size", "epochs", "expected"),
    [
        (30, 9600, 50, 100, True),  # the default sweep
        (30, 9600, 128, 100, True),
        (50, 3000, 50, 5, True),
        (51, 3000, 50, 5, False),
        (30, 2999, 50, 5, True),  # the last batch is smaller
        (30, 2950, 50, 5, False),
        (30, 3000, 50, 4, False),
        (30, 2950, 50, 100, False),  # later epochs may not come
    ],
)
def test_pays(words: int, rows: int, batch_size: int, epochs: int, expected: bool) -> None:
    assert pays(words, rows, batch_size, epochs) == expected


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], False),
        (["model.unroll=true"], True),
        (LONG, False),  # a SimpleRNN has loops that are as fast, and so has an LSTM
        ([*LONG, "model=lstm"], False),
        ([*LONG, "model=bidirectional"], False),
        ([*LONG, "model.mask_zero=true"], True),
        ([*LONG, "model=bidirectional", "model.layer=keras.layers.GRU"], True),
        ([*LONG, "model=stacked", "model.layer=keras.layers.GRU"], True),
        ([*LONG, "model=gru", "~model.unroll"], True),
        ([*LONG, "model.unroll=false"], False),
        ([*LONG, "fit.initial_epoch=3"], False),
        ([*LONG, "compile.jit_compile=true"], False),
        ([*LONG, "compile.jit_compile=true", "model.unroll=true"], True),
        ([*LONG, "+compile.run_eagerly=true"], False),
        ([*LONG, "model.mask_zero=true", "data.bucketing=2"], False),
        ([*LONG, "+model.rnn.unroll=true"], False),  # Keras's layers have no loop then
    ],
)
def test_it_is_settled_before_the_training(
    composed: Composed, overrides: list[str], expected: bool
) -> None:
    config = composed(*overrides)
    dataset = data.load(config.data)
    model = build(config, dataset)
    assert settle(config, model, fit_arguments(config, dataset)) == expected
    assert OmegaConf.select(config, KEY) is expected  # what the run stores, and a replay does


def trained(config: DictConfig) -> tuple[keras.Model, dict[str, list[float]], int]:
    """Train; return the model, the metrics, and how often its cell was called, to be traced."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    dataset = data.load(config.data)
    model, arguments = build(config, dataset), fit_arguments(config, dataset)
    has_loops = not settle(config, model, arguments)
    assert not jit.settle(config, model, arguments, has_loops=has_loops)
    rnn = model.layers[1]
    cell, calls = getattr(rnn, "forward_layer", rnn).cell, []
    call = cell.call
    cell.call = lambda *args, **kwargs: calls.append(args) or call(*args, **kwargs)
    return model, model.fit(**arguments).history, len(calls)


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        ["model=simple_rnn", "model.dropout=0.2", "model.recurrent_dropout=0.2"],
        ["model=gru", "model.mask_zero=true"],
        ["model=bidirectional"],
    ],
)
def test_values_are_those_of_loops_and_the_saved_model_has_loops(
    composed: Composed, tmp_path: Path, overrides: list[str]
) -> None:
    common: list[str] = [*overrides, "fit.verbose=0"]
    _, plain, few = trained(composed(*common, "model.unroll=false"))
    model, fast, many = trained(composed(*common, "model.unroll=true"))
    for name in ("loss", "val_loss"):
        assert fast[name] == pytest.approx(plain[name], abs=1e-5)
    assert many >= 2 * WORDS > 2 * few  # each word, in the steps of training and validation
    model.save(tmp_path / "model.keras")
    restored: Any = keras.saving.load_model(tmp_path / "model.keras")
    assert "'unroll': True" not in str(restored.get_config())
    for words in (3, 9):
        x = np.ones((2, words), dtype=np.int32)
        assert restored.predict(x, verbose=0) == pytest.approx(model.predict(x, verbose=0))


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        (True, ValueError("Unrolling requires a fixed number of timesteps."), True),
        (True, ValueError("another"), False),
        (False, ValueError("Unrolling requires a fixed number of timesteps."), False),
    ],
)
def test_it_is_turned_off_by_its_own_errors(
    composed: Composed, value: bool, error: Exception, expected: bool
) -> None:
    config = composed(f"model.unroll={value}")
    assert turn_off(config, error) == expected
    assert OmegaConf.select(config, KEY) is (value and not expected)


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (["model.unroll=true"], ""),
        (["backend=jax"], ""),
        (["backend=jax", "model.unroll=true"], "model.unroll=true: is for TensorFlow, since JAX "),
        (["data.bucketing=2"], ""),
        (["data.bucketing=2", "model.unroll=true"], "model.unroll=true: needs texts of one length"),
    ],
)
def test_what_it_is_for(composed: Composed, overrides: list[str], problem: str) -> None:
    found = problems(composed(*overrides))
    assert len(found) == bool(problem)
    assert problem in "".join(found)
