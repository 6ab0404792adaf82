"""Models whose answers depend on the padding are refused."""

from collections.abc import Callable

import numpy as np
import pytest
from omegaconf import DictConfig

from rnnexp import data
from rnnexp.training.checks import check
from rnnexp.training.checks.bucketing import bucketing_problems
from rnnexp.training.model import build

Composed = Callable[..., DictConfig]
READS = "data.bucketing=3: the model reads the padding in front of a text, so its values would be"


@pytest.mark.parametrize("model", ["simple_rnn", "lstm", "gru", "bidirectional", "stacked"])
@pytest.mark.parametrize("mask_zero", ["true", "false"])
def test_a_model_has_to_be_masked(composed: Composed, model: str, mask_zero: str) -> None:
    config = composed(f"model={model}", f"model.mask_zero={mask_zero}", "data.bucketing=3")
    found = check([config])
    expected = f"{READS} others; give model.mask_zero=true, or data.bucketing=null"
    assert found == ([] if mask_zero == "true" else [expected])


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (["averaged"], None),
        (["averaged", "+model.penalty=activity_regularizer"], "reads the padding in front of"),
        (["twice"], "reads the padding in front of"),
        (["convolved"], "can't read texts of other lengths: "),
    ],
)
def test_a_model_of_ones_own(composed: Composed, overrides: list[str], problem: str | None) -> None:
    function, *more = overrides
    own = f"model.function=tests.helpers.own_models.{function}"
    config = composed("model=own", own, *more, "data.bucketing=3")
    dataset = data.load(config.data)
    model = build(config, dataset)
    weights = model.get_weights()
    found = bucketing_problems(config, dataset, model)
    assert [text.partition(f"the model {problem}")[2] != "" for text in found] == [True] * bool(
        problem
    )
    assert all(
        text.endswith("(mask_zero=True) makes them, or data.bucketing=null") for text in found
    )
    assert all(map(np.array_equal, model.get_weights(), weights))


def test_initial_weights_of_zero_hide_nothing(composed: Composed) -> None:
    zeros = "+model.network.layers.1.embeddings_initializer=zeros"
    (problem,) = check([composed(zeros, "data.bucketing=3")])
    assert problem.startswith(READS)


@pytest.mark.parametrize("given", ["0", "true", "2.5", "auto"])
def test_a_number_of_lengths_is_wanted(composed: Composed, given: str) -> None:
    hint = "as the number of lengths that batches are cut to, or null for no bucketing"
    expected = f"data.bucketing={composed(f'data.bucketing={given}').data.bucketing}: must be a "
    assert check([composed(f"data.bucketing={given}")]) == [
        f"{expected}whole number, at least 1, {hint}"
    ]
