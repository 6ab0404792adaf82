"""Trainings with XLA and without, and when XLA is chosen."""

from collections.abc import Callable
from typing import Any

import keras
import pytest
from omegaconf import DictConfig, OmegaConf

from rnnexp import data
from rnnexp.identity import identity_of
from rnnexp.training.fit_arguments import fit_arguments
from rnnexp.training.jit import KEY, pays, settle
from rnnexp.training.model import build
from tests.helpers.commands import Command

Composed = Callable[..., DictConfig]

LONG = "fit.batch_size=1", "fit.epochs=9", "data.n_train=1000"  # 1 x 8 x 800 x 5 = 32,000 steps
SPELLED = "model=own", "model.function=tests.helpers.own_models.spelled"


@pytest.mark.parametrize(
    ("loops", "words", "rows", "batch_size", "epochs", "expected"),
    [
        (1, 30, 9600, 50, 100, False),  # the default sweep
        (1, 200, 3200, 50, 100, True),
        (1, 200, 3200, 50, 1, False),
        (2, 30, 9600, 50, 5, True),
        (1, 30, 10_000, 50, 5, True),
        (1, 30, 9950, 50, 100, False),
        (1, 30, 10_050, 50, 5, True),
        (1, 30, 10_001, 50, 5, False),  # the last batch is compiled, too
        (1, 30, 20_001, 50, 5, True),
        (0, 200, 25_000, 50, 100, False),  # no recurrent layer
    ],
)
def test_pays(
    loops: int, words: int, rows: int, batch_size: int, epochs: int, expected: bool
) -> None:
    assert pays(loops, words, rows, batch_size, epochs) == expected


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], False),
        (["compile.jit_compile=true"], True),
        (LONG, True),
        ([*LONG, "model=bidirectional", "fit.batch_size=2"], True),
        ([*LONG, "model=stacked", "fit.batch_size=2"], True),
        ([*LONG, "fit.batch_size=2"], False),
        ([*LONG, "fit.initial_epoch=5"], False),
        ([*LONG, "+model.rnn.unroll=true"], False),
        ([*LONG, "compile.jit_compile=false"], False),
        ([*LONG, "~compile.jit_compile"], True),
        ([*LONG, "+compile.run_eagerly=true"], False),
    ],
)
def test_it_is_settled_before_the_training(
    composed: Composed, overrides: list[str], expected: bool
) -> None:
    config = composed(*overrides)
    dataset = data.load(config.data)
    model = build(config, dataset)
    assert settle(config, model, fit_arguments(config, dataset)) == expected
    assert model.jit_compile == expected
    assert OmegaConf.select(config, KEY) is expected  # what the run stores, and a replay does


def losses(config: DictConfig) -> dict[str, list[float]]:
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    dataset = data.load(config.data)
    model, arguments = build(config, dataset), fit_arguments(config, dataset)
    settle(config, model, arguments)
    found: dict[str, list[float]] = model.fit(**arguments).history
    return found


@pytest.mark.slow
def test_losses_with_xla_are_those_without_and_the_same_each_time(
    composed: Composed,
) -> None:
    common = "model=gru", "model.mask_zero=true", "fit.verbose=0"
    plain = losses(composed(*common, "compile.jit_compile=false"))
    fast = losses(composed(*common, "compile.jit_compile=true"))
    for name in ("loss", "val_loss"):
        assert fast[name] == pytest.approx(plain[name], abs=1e-5)
    assert losses(composed(*common, "compile.jit_compile=true")) == fast


@pytest.mark.slow
def test_a_trial_that_xla_cannot_compile_is_trained_without(command: Command) -> None:
    ended = command(
        *("-m", *SPELLED, "compile.jit_compile=true", "hydra.sweeper.check=null"),
        *("hydra.sweeper.params=null", "fit.batch_size=choice(20,30)", "hydra.sweeper.n_trials=1"),
        # In a process of its own, which no test before has made deterministic.
        *("hydra.sweeper.publish=null", "pruner=none", "hydra/launcher=workers"),
        "hydra.sweeper.n_jobs=1",
    )
    assert ended.code == 0, ended.err
    _, trial = ended.runs()
    assert trial.data.tags["state"] == "COMPLETE"
    assert trial.data.tags["jit_compile"] == "false"
    path = ended.client.download_artifacts(trial.info.run_id, "config.yaml", str(ended.path))
    assert OmegaConf.select(OmegaConf.load(path), KEY) is False
    (file,) = ended.path.glob("multirun/*/0/sweep.log")
    assert "compile.jit_compile is off, since the training failed with XLA: Inva" in (
        file.read_text()
    )


def test_it_is_not_part_of_the_identity_of_a_value(composed: Composed) -> None:
    with_and_without: list[Any] = [composed(f"{KEY}={value}") for value in ("true", "false")]
    assert identity_of(with_and_without[0]) == identity_of(with_and_without[1])
