"""Steps that TensorFlow traces once, since nothing is created in them."""

from collections.abc import Callable
from typing import Any

import keras
import pytest
from omegaconf import DictConfig

from rnnexp import data
from rnnexp.training import early_variables
from rnnexp.training.fit_arguments import fit_arguments
from rnnexp.training.model import build

Composed = Callable[..., DictConfig]


def trained(config: DictConfig, *, early: bool) -> tuple[dict[str, list[float]], int]:
    """Train; return the metrics, and how often the training step was traced."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    dataset = data.load(config.data)
    model, arguments = build(config, dataset), fit_arguments(config, dataset)
    if early:
        early_variables.create(config, model, arguments)
    step, traced = model.train_step, []

    def counted(batch: Any) -> Any:
        traced.append(batch)
        return step(batch)

    model.train_step = counted
    return model.fit(**arguments).history, len(traced)


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["compile=categorical", "model.dropout=0.2"],
        ["compile=sparse_categorical"],
        ["compile.optimizer._target_=keras.optimizers.RMSprop", "compile.jit_compile=true"],
    ],
)
def test_a_step_is_traced_once_and_trains_as_before(
    composed: Composed, overrides: list[str]
) -> None:
    common = [*overrides, "fit.verbose=0", "fit.batch_size=20", "data.n_train=100"]
    before, twice = trained(composed(*common), early=False)
    after, once = trained(composed(*common), early=True)
    assert after == before
    assert once == 1 < twice


OWN = "+compile.weighted_metrics=[{_target_:tests.helpers.own_metrics.Never}]"


@pytest.mark.parametrize(("override", "words"), [(OWN, 1), ("seed=1", None)])
def test_a_metric_of_the_user_or_of_each_word_sees_no_made_up_outputs(
    composed: Composed, override: str, words: int | None
) -> None:
    config = composed(override)
    dataset = data.load(config.data)
    model = keras.Sequential([keras.Input((words, 1)), keras.layers.Dense(1)])
    model.compile()
    early_variables.create(config, model, fit_arguments(config, dataset))
    assert not model.optimizer.built
