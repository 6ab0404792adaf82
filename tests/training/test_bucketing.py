"""Batches of texts of similar length give the values that padded batches give."""

import subprocess
import sys
from collections.abc import Callable
from itertools import chain
from typing import Any

import keras
import numpy as np
import pytest
from omegaconf import DictConfig

from rnnexp import data
from rnnexp.identity import identity_of
from rnnexp.storage.run_reader import RunReader
from rnnexp.training.bucketing import Batches, ShuffleBatches, evaluate_in_buckets, fit_in_buckets
from rnnexp.training.fit_arguments import fit_arguments
from rnnexp.training.jit import settle
from rnnexp.training.model import build
from rnnexp.training.trial import evaluate
from tests.helpers.commands import EAGER, ROOT, TINY, Command

Composed = Callable[..., DictConfig]

MASKED = "model.mask_zero=true", "data.maxlen=12", "fit.verbose=0", "fit.batch_size=20"
LENGTHS = (2, 4)
X = np.array([[0] * (5 - n) + [1] * n for n in (1, 5, 2, 3, 2, 4, 1)], dtype=np.int32)
Y = np.arange(len(X))


def labels(batches: Batches) -> list[list[int]]:
    return [batches[number][1].tolist() for number in range(batches.num_batches)]


def test_batches_without_shuffling() -> None:
    batches = Batches([X, Y, Y / 10], LENGTHS, 2)
    assert batches.widths.tolist() == [2, 2, 4, 5]
    assert labels(batches) == [[1], [0, 2], [4, 6], [3, 5]]  # the widest first
    assert [batches[n][0].shape for n in range(4)] == [(1, 5), (2, 2), (2, 2), (2, 4)]
    x, y, weight = batches[3]
    assert x.tolist() == [[0, 1, 1, 1], [1, 1, 1, 1]]
    assert weight.tolist() == (y / 10).tolist()


@pytest.mark.parametrize("texts", [True, False])
def test_shuffled_batches(texts: bool) -> None:
    rng = np.random.default_rng(0)
    x = (np.arange(9) >= rng.integers(0, 9, (101, 1))).astype(np.int32)
    batches, y = Batches([x, np.arange(101)], (3, 6), 10), np.arange(101)
    widths = sorted(batches.widths)
    seen = []
    for epoch in (0, 1, 0):
        ShuffleBatches(batches, 5, texts=texts).on_epoch_begin(epoch)
        seen.append(labels(batches))
        assert sorted(chain(*seen[-1])) == y.tolist()
        assert sorted(batches[n][0].shape[1] for n in range(11)) == widths
    assert seen[0] == seen[2] != seen[1]
    together = [{frozenset(batch) for batch in order} for order in seen]
    assert (together[0] == together[1]) != texts


@pytest.mark.parametrize("rows", [9, 101])
def test_a_text_that_is_longer_than_all_lengths_is_not_cut(rows: int) -> None:
    x = np.ones((rows, 9), dtype=np.int32)
    assert set(Batches([x, np.arange(rows)], LENGTHS, 10).widths) == {9}


@pytest.mark.parametrize(
    "overrides",
    [
        ["model=simple_rnn", EAGER],
        ["model=lstm", "model.dropout=0.2", "model.recurrent_dropout=0.2", EAGER],
        ["model=gru", "compile.jit_compile=false"],
        pytest.param(["model=gru", "compile.jit_compile=true"], marks=pytest.mark.slow),
        ["model=bidirectional", "data.task=classes", "compile=categorical", EAGER],
        ["model=stacked", "data.task=regression", "compile=regression", EAGER],
    ],
)
def test_answers_and_loss_are_those_of_padded_texts(
    composed: Composed, overrides: list[str]
) -> None:
    rate = "compile.optimizer.learning_rate=0.1"
    config = composed(*MASKED, *overrides, rate, "data.bucketing=3", "fit.epochs=1")
    model, arguments = ready(config)
    history = model.fit(**arguments).history
    padded = ready(composed(*MASKED, *overrides))[1]
    validated = {"x": padded["x"][96:], "y": padded["y"][96:], "batch_size": 20}
    whole = model.evaluate(**validated, verbose=0, return_dict=True)
    cut = evaluate_in_buckets(validated, data.load(config.data).lengths)
    assert model.evaluate(**cut, verbose=0, return_dict=True) == pytest.approx(whole, rel=1e-6)
    assert {name: history[f"val_{name}"][-1] for name in whole} == pytest.approx(whole, rel=1e-6)
    batches = arguments["x"]
    assert len(set(batches.widths)) > 1
    for x, _ in (batches[number] for number in range(batches.num_batches)):
        wide = np.pad(x, [(0, 0), (12 - x.shape[1], 0)])
        expected = pytest.approx(model.predict_on_batch(wide), rel=1e-6, abs=1e-7)
        assert model.predict_on_batch(x) == expected


def ready(config: DictConfig) -> tuple[keras.Model, dict[str, Any]]:
    """Return a model, and the arguments of its training."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    dataset = data.load(config.data)
    model, arguments = build(config, dataset), fit_arguments(config, dataset)
    settle(config, model, arguments)
    return model, arguments


def averaging(learning_rate: float) -> tuple[keras.Model, dict[str, Any]]:
    """Return a model without a loop, which is quickly compiled, and arguments of its training."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Embedding(9, 4, mask_zero=True), keras.layers.GlobalAveragePooling1D()]
    model = keras.Sequential([keras.Input((None,), dtype="int32"), *layers, keras.layers.Dense(1)])
    optimizer = keras.optimizers.SGD(learning_rate)
    model.compile(optimizer, "mse", metrics=["mae"], weighted_metrics=["mse"])
    rng = np.random.default_rng(0)
    x = rng.integers(1, 9, (120, 8)) * (np.arange(8) >= rng.integers(0, 8, (120, 1)))
    usual = {"validation_split": 0.2, "batch_size": 20, "sample_weight": None, "verbose": 0}
    return model, {"x": x.astype(np.int32), "y": rng.integers(0, 2, 120), **usual}


WEIGHT = np.linspace(0, 2, 120, dtype=np.float32)


@pytest.mark.parametrize(
    "changed",
    [
        {"validation_batch_size": 7, "shuffle": "batch"},
        {"class_weight": {0: 1.0, 1: 3.0}, "shuffle": False},
        {"sample_weight": WEIGHT},
        {"sample_weight": WEIGHT, "validation_data": True, "validation_split": None},
    ],
    ids=" ".join,
)
def test_arguments_of_fit_mean_what_they_mean_without(changed: dict[str, Any]) -> None:
    """Without learning, the losses are equal if rows and weights are."""
    model, arguments = averaging(learning_rate=0.0)
    arguments |= changed
    if "validation_data" in changed:
        parts = (arguments["x"], arguments["y"], WEIGHT)
        arguments["validation_data"] = tuple(part[:30] for part in parts)
    expected = model.fit(**arguments).history
    found = model.fit(**fit_in_buckets(arguments, (3, 6), seed=0)).history
    assert {name: pytest.approx(values, rel=1e-5) for name, values in expected.items()} == found


def test_a_resumed_training_goes_on_in_the_same_order() -> None:
    def losses(first: int, last: int) -> list[float]:
        epochs = {"initial_epoch": first, "epochs": last}
        in_buckets = fit_in_buckets(arguments | epochs, (3, 6), seed=1)
        found: list[float] = model.fit(**in_buckets).history["loss"]
        return found

    model, arguments = averaging(learning_rate=0.5)
    expected = losses(0, 3)
    model, arguments = averaging(learning_rate=0.5)
    assert [*losses(0, 2), *losses(2, 3)] == pytest.approx(expected, rel=1e-6)


def test_xla_compiles_each_length(composed: Composed) -> None:
    """Batches of 1 x 800 texts x 5 epochs, of some 20 words: 80,000 steps, and 3 lengths."""
    long = *MASKED, "data.n_train=1000", "fit.batch_size=1", "fit.epochs=5"
    assert [ready(composed(*long, f"data.bucketing={n}"))[0].jit_compile for n in ("null", 3)] == [
        True,
        False,
    ]


@pytest.mark.slow
def test_a_single_run(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = command("data.bucketing=3", *MASKED, "evaluate.batch_size=7", EAGER)
    assert ended.code == 0, ended.err
    (run,) = ended.runs()
    lengths = run.data.tags["lengths"]
    assert f"data.bucketing=3: batches are cut from 12 to {lengths} ids\n" in ended.out
    assert len(lengths.split(", ")) == 3
    monkeypatch.chdir(ended.path)
    config = RunReader("sqlite:///mlflow.db").config(run)
    config.data.bucketing = None
    scores = {f"test_{name}": value for name, value in evaluate(config, run.info.run_id).items()}
    assert scores == pytest.approx({name: run.data.metrics[name] for name in scores}, rel=1e-6)


def test_neither_the_data_nor_the_identity_of_a_value_changes(composed: Composed) -> None:
    usual, cut = (composed(*MASKED, f"data.bucketing={number}") for number in ("null", 3))
    assert identity_of(usual) == identity_of(cut)
    assert data.load(usual.data).folder == data.load(cut.data).folder


JAX = """
import sys
from rnnexp import keras_runtime
keras_runtime.choose("jax", deterministic=True)
keras_runtime.keras()
from hydra import compose, initialize_config_dir
from rnnexp import data
from rnnexp.training.checks import check
from rnnexp.training.fit_arguments import fit_arguments
from rnnexp.training.model import build
from rnnexp.training.trial import evaluate
with initialize_config_dir(sys.argv[1], version_base="1.3"):
    config, unmasked = (
        compose("config", [*sys.argv[2:], f"model.mask_zero={mask}"]) for mask in ("true", "false")
    )
print(*check([config]), *check([unmasked]))
dataset = data.load(config.data)
model, arguments = build(config, dataset), fit_arguments(config, dataset)
history = model.fit(**arguments).history
x, y = (array[96:] for array in (dataset.train().x, dataset.train().y))
print(history["val_loss"][-1] / model.evaluate(x, y, verbose=0, return_dict=True)["loss"])
"""


@pytest.mark.slow
def test_on_jax() -> None:
    given = [*TINY, *MASKED[1:], "backend=jax", "model=lstm", "data.bucketing=3"]
    command = [sys.executable, "-c", JAX, str(ROOT / "conf"), *given]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    problem, ratio = ended.stdout.splitlines()
    assert problem.startswith("data.bucketing=3: the model reads the padding in front of a text")
    assert float(ratio) == pytest.approx(1, rel=1e-6)
