"""Models that are compiled once and trained again."""

from collections.abc import Callable, Iterator

import keras
import pytest
import tensorflow as tf
from omegaconf import DictConfig

from rnnexp import data
from rnnexp.training import compiled_models
from rnnexp.training.fit_arguments import fit_arguments
from rnnexp.training.model import build
from rnnexp.training.one_training import begin_session
from rnnexp.training.streams import fit_on_streams

Composed = Callable[..., DictConfig]
DROPOUT = "model.dropout=0.2", "model.recurrent_dropout=0.2"
# The last batch is smaller: of 96 rows 30, 30, 30 and 6.
USUAL = "compile.optimizer.learning_rate=0.01", "fit.batch_size=30", "fit.verbose=0", *DROPOUT


@pytest.fixture(autouse=True)
def _none_is_kept() -> Iterator[None]:
    compiled_models.forget()
    yield
    compiled_models.forget()


def new_model(config: DictConfig) -> keras.Model:
    begin_session(config)
    return build(config, data.load(config.data))


def trained(config: DictConfig) -> tuple[keras.Model, dict[str, list[float]]]:
    model = compiled_models.take(config, new_model(config))
    arguments = fit_arguments(config, data.load(config.data))
    history = model.fit(**fit_on_streams(arguments, config.seed)).history
    compiled_models.keep(config, model)
    return model, history


@pytest.mark.slow
def test_a_kept_model_trains_as_a_new_one(composed: Composed) -> None:
    other = "seed=1", "compile.optimizer.learning_rate=0.05", "fit.batch_size=25"
    first, before = trained(composed(*USUAL))
    kept, with_kept = trained(composed(*USUAL, *other))
    compiled_models.forget()
    new, with_new = trained(composed(*USUAL, *other))
    assert kept is first
    assert new is not first
    assert with_kept == with_new != before
    assert kept.get_compile_config() == new.get_compile_config()


@pytest.mark.parametrize(
    ("overrides", "is_taken"),
    [
        (["seed=1"], True),
        (["compile.optimizer.learning_rate=0.05"], True),
        (["model.units=5"], False),
        (["+size=5", "model.units=${size}"], False),
        (["fit.batch_size=31"], True),
        (["fit.class_weight=balanced"], False),
        (["objective.monitor=val_auc"], False),  # which the config of metrics has not
        (["data.maxlen=7"], False),
        (["compile.optimizer._target_=keras.optimizers.SGD"], False),
        (["+compile.optimizer.weight_decay=0.1"], False),
        (["compile.jit_compile=false"], False),
    ],
)
def test_a_model_of_the_same_structure_is_taken(
    composed: Composed, overrides: list[str], is_taken: bool
) -> None:
    usual, config = composed(*USUAL), composed(*USUAL, *overrides)
    kept = new_model(usual)
    kept.optimizer.build(kept.trainable_variables)
    compiled_models.keep(usual, kept)
    assert (compiled_models.take(config, new_model(config)) is kept) == is_taken


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], True),
        (["model=lstm", *DROPOUT], True),
        (["data.bucketing=2", "model.mask_zero=true"], True),
        (["+fit.steps_per_epoch=2"], False),  # Keras shuffles
        (["+fit.validation_steps=2"], False),
        (["model=own", "model.function=tests.helpers.own_models.twice"], False),
        (["+callbacks.mine._target_=tests.helpers.failing.KillAsOftenAs"], False),
    ],
)
def test_own_seeds(composed: Composed, overrides: list[str], expected: bool) -> None:
    assert compiled_models.have_own_seeds(composed(*overrides)) == expected


@pytest.mark.parametrize(
    ("overrides", "is_seeded"), [([], False), (["+fit.steps_per_epoch=2"], True)]
)
def test_a_session_seeds_tensorflow_where_a_training_draws_from_it(
    composed: Composed, overrides: list[str], is_seeded: bool
) -> None:
    config = composed(*USUAL, *overrides)
    model = new_model(config)  # no model is kept yet, so TensorFlow is seeded in any case
    compiled_models.keep(config, model)
    first = float(tf.random.uniform(()))
    begin_session(config)
    assert (float(tf.random.uniform(())) == first) == is_seeded


@pytest.mark.parametrize(
    "overrides",
    [
        ["model=own", "model.function=tests.helpers.own_models.twice"],
        ["compile.metrics=[{_target_: tests.helpers.own_models.PerClass}]"],
    ],
)
def test_a_model_with_parts_of_ones_own_is_not_kept(
    composed: Composed, overrides: list[str]
) -> None:
    config = composed(*overrides)
    model = new_model(config)
    compiled_models.keep(config, model)
    assert compiled_models.take(config, new_model(config)) is not model
