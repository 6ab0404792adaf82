"""What breaks at the end of an epoch or of a study breaks before trial 0."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from omegaconf import DictConfig, open_dict

from rnnexp import data
from rnnexp.training.checkpoint import load_file
from rnnexp.training.checks import check
from rnnexp.training.checks.smallest_training import number_problems, structure_of
from rnnexp.training.model import build
from rnnexp.training.saved_model import load_saved, own_objects

OWN = "tests.helpers.own_models"
WHOLE = "callbacks.model_checkpoint.filepath='${hydra:runtime.output_dir}/best.keras'"
WEIGHTS = "callbacks.model_checkpoint.filepath='${hydra:runtime.output_dir}/best.weights.h5'"
ALONE = "callbacks.model_checkpoint.save_weights_only=true"
Composed = Callable[..., DictConfig]


def own(function: str) -> list[str]:
    return ["model=own", f"model.function={OWN}.{function}"]


def of_a_sweep(config: DictConfig, publish: str | None = "publish") -> DictConfig:
    with open_dict(config):
        config.hydra = {"sweeper": {"publish": publish}}
    return config


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        ([], None),
        (["model=bidirectional", "compile=sparse_categorical"], None),
        ([WEIGHTS, ALONE], None),
        (["callbacks=[]"], None),
        (own("twice"), None),
        (own("registered"), None),
        (own("activated"), None),
        (own("subclassed"), None),
        (["+compile.optimizer.weight_decay=0.1", f"compile.metrics=[{{_target_: "
          f"hydra.utils.get_method, path: {OWN}.f1}}]"], None),
        (own("anonymous"), "can't be loaded from its file, as a published model is: "
         "give hydra.sweeper.publish=null, or "),
        (own("without_config"), "the model can't be saved in a .keras file: NotImplementedError"),
        ([*own("without_config"), WEIGHTS, ALONE], "can't be loaded from its file, as"),
        (own("growing"), "the model can't be restored from a .keras file: ValueError: the file is "
         "of another model or optimizer: layers/dense/vars/0 is 4x"),
        ([f"compile.metrics=[{{_target_: {OWN}.PerClass}}]"],
         "compile.metrics: per_class is an array of shape (2,); a metric must be one number"),
        ([f"compile.loss={{_target_: {OWN}.Untrainable}}"], "the model can't be trained: "),
        (["compile.jit_compile=true"], None),
        ([*own("spelled"), "compile.jit_compile=true"],
         "compile.jit_compile=true: XLA can't compile the model: InvalidArgumentError: "),
        (["+compile.run_eagerly=true", "compile.jit_compile=true"],
         "compile.jit_compile=true: Keras has no XLA for deterministic or eager training, nor for "
         "some layers; give compile.jit_compile=auto or false"),
        (["compile.jit_compile=1.5"],
         "compile.jit_compile=1.5: must be one of none, auto, true, false"),
    ],
)  # fmt: skip
def test_a_model_is_trained_saved_and_read_back(
    composed: Composed, overrides: list[str], problem: str | None
) -> None:
    found = check([of_a_sweep(composed(*overrides))])
    assert len(found) == (problem is not None), found
    assert problem is None or problem in found[0]


def test_a_model_that_is_not_published_need_not_be_loaded_without_its_config(
    composed: Composed,
) -> None:
    assert check([of_a_sweep(composed(*own("anonymous")), publish=None)]) == []
    assert check([composed(*own("anonymous"))]) == []  # a single run


AUC = "compile.metrics=[{{_target_:keras.metrics.AUC,num_thresholds:{}}}]"


def test_models_of_other_sizes_are_saved_alike(composed: Composed) -> None:
    usual = structure_of(composed())
    for overrides in (["model.units=8"], ["compile.optimizer.learning_rate=0.1"]):
        assert structure_of(composed(*overrides)) == usual
    for overrides in (["model=gru"], ["compile.optimizer._target_=keras.optimizers.SGD"]):
        assert structure_of(composed(*overrides)) != usual
    one, other = (structure_of(composed(AUC.format(number))) for number in (100, 200))
    assert one != other


@pytest.mark.parametrize(
    ("others", "problem"),
    [
        (["model.units=0"], "the model can't be built and evaluated: "),
        (["compile.optimizer.learning_rate=-1"], "learning_rate"),
        (["data.maxlen=3", "model=gru"], None),
        ([AUC.format(1)], "the model can't be built and evaluated: "),
    ],
)
def test_numbers_that_only_a_second_model_has_are_looked_at(
    composed: Composed, others: list[str], problem: str | None
) -> None:
    found = check([of_a_sweep(composed()), of_a_sweep(composed(*others))])
    assert bool(found) == (problem is not None), found
    assert problem is None or problem in found[0]


@pytest.mark.parametrize(
    ("value", "is_number"),
    [
        (0.5, True), (1, True), (np.float32(0.5), True), (np.array(0.5), True),
        (float("nan"), True), (None, False), (np.ones(2), False), ({"a": 0.5}, False),
        ("0.5", False), (np.ones((1,)), False),
    ],
)  # fmt: skip
def test_a_metric_is_a_number(value: object, is_number: bool) -> None:
    assert (number_problems({"m": value}) == []) == is_number


def in_file(model: keras.Model) -> list[Any]:
    return [*model.weights, *model.optimizer.variables]


@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
@pytest.mark.parametrize(
    ("overrides", "differing"),
    [
        ([], ""),
        (own("twice"), "layers"),
        (["model.units=8"], " in the file, "),
        (["compile.optimizer._target_=keras.optimizers.SGD"], "optimizer/vars/"),
        (["model=stacked"], "layers/lstm"),
    ],
)
def test_a_file_of_another_model_is_refused(
    composed: Composed, tmp_path: Path, ending: str, overrides: list[str], differing: str
) -> None:
    config = composed(*overrides, "+compile.run_eagerly=true")
    dataset, file = data.load(config.data), tmp_path / f"model{ending}"
    saved = build(config, dataset)
    train = dataset.train()
    saved.train_on_batch(train.x[:2], train.y[:2])
    (saved.save_weights if ending == ".weights.h5" else saved.save)(file)
    model = build(composed(), dataset)
    if differing:
        with pytest.raises(ValueError, match="of another model or optimizer: ") as error:
            load_file(model, file)
        assert differing in str(error.value)
        return
    load_file(model, file)
    # A file has the weights and the optimizer, not the states of random generators.
    for ours, theirs in zip(in_file(model), in_file(saved), strict=True):
        assert np.array_equal(ours, theirs)
    assert int(model.optimizer.iterations) == 1


@pytest.mark.parametrize(
    ("function", "needed"),
    [
        ("twice", {"Twice": f"{OWN}.Twice"}),
        ("registered", {"Custom>Registered": f"{OWN}.Registered"}),
        ("activated", {"shifted": f"{OWN}.shifted", "Custom>doubled": f"{OWN}.doubled"}),
        ("subclassed", {"Subclassed": f"{OWN}.Subclassed"}),
    ],
)
def test_a_saved_model_names_what_it_needs(
    composed: Composed, tmp_path: Path, function: str, needed: dict[str, str]
) -> None:
    config = composed(*own(function))
    dataset, file = data.load(config.data), tmp_path / "model.keras"
    model = build(config, dataset)
    model.save(file)
    assert own_objects(file, OWN) == needed
    x = dataset.train().x[:4]
    loaded = load_saved(file, needed)
    assert np.array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
