"""The smallest real training, before trial 0: one step of `fit`, saved, and read back.

What would break at the end of an epoch, or of a study, breaks here.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from omegaconf import DictConfig, OmegaConf

from rnnexp.data import Dataset
from rnnexp.errors import one_line
from rnnexp.number_ranges import is_number
from rnnexp.training import jit
from rnnexp.training.checkpoint import WEIGHTS, load_file
from rnnexp.training.model import build, module_of
from rnnexp.training.output_layer import output_of
from rnnexp.training.saved_model import load_saved, own_objects

if TYPE_CHECKING:
    import keras

T = TypeVar("T")

ROWS, COLUMNS = 2, 8
# In a config without numbers: models that differ in their sizes alone are saved alike. The numbers
# of losses and metrics count, since only an evaluation shows what is wrong with these.
PARTS = ("data", "model", "compile", "callbacks", "objective")
COUNTED = ("loss", "metrics", "weighted_metrics")  # of `compile`
PUBLISH = "hydra.sweeper.publish"


def structure_of(config: DictConfig) -> str:
    """Return a config without most of its numbers: equal texts are trained and saved alike.

    Args:
        config: The whole config.
    """
    plain: Any = OmegaConf.to_container(OmegaConf.masked_copy(config, list(PARTS)), resolve=False)
    publish = OmegaConf.select(config, PUBLISH)
    counted = {key: plain["compile"].get(key) for key in COUNTED}
    return OmegaConf.to_yaml({"config": _without_numbers(plain), **counted, "publish": publish})


def number_problems(values: Mapping[str, Any]) -> list[str]:
    """Return which metrics are no numbers.

    Args:
        values: The values of loss and metrics by name, as of ``model.evaluate``.
    """
    problems = []
    for name, value in values.items():
        shape = None if value is None else np.shape(value)
        if shape == () and isinstance(value, int | float | np.number | np.ndarray):
            continue
        found = f"an array of shape {shape}" if shape else f"{value!r}"
        hint = "; give average=macro" if "f1" in name or "fbeta" in name else ""
        problems.append(
            f"compile.metrics: {name} is {found}; a metric must be one number an epoch{hint}"
        )
    return problems


def training_problems(config: DictConfig, dataset: Dataset, model: "keras.Model") -> list[str]:
    """Return why a model can't be trained, saved, or read back.

    Args:
        config: The whole config.
        dataset: The data of the config.
        model: The model of the config, built and compiled. It is trained.
    """
    try:
        _train(config, dataset, model)
    except Exception as error:  # whatever Keras, or a class of the user's, raises
        return [_problem("trained", error)]
    if problem := _jit_problem(config, dataset):
        return [problem]
    with tempfile.TemporaryDirectory() as folder:
        for ending in sorted(set(_endings(config))):
            if problem := _file_problem(config, dataset, model, Path(folder, f"model{ending}")):
                return [problem]
        if OmegaConf.select(config, PUBLISH):
            return _publish_problems(config, dataset, model, Path(folder, "model.keras"))
    return []


def _train(config: DictConfig, dataset: Dataset, model: "keras.Model") -> None:
    """Train one step."""
    train = dataset.train()
    y = output_of(config, dataset).labels(train.y[:ROWS])
    on_few_columns(model.train_on_batch, train.x[:ROWS], y)


def on_few_columns(step: Callable[[Any, Any], T], x: Any, y: Any) -> T:
    """Take a step of a model on a few columns if the model takes them: each costs time in an RNN.

    Args:
        step: Trains or evaluates the model on a batch.
        x: The inputs of the batch.
        y: The labels of the batch.
    """
    try:
        return step(x[:, x.any(axis=0)][:, :COLUMNS], y)
    except Exception:  # a model may need texts of their full length
        return step(x, y)


def _jit_problem(config: DictConfig, dataset: Dataset) -> str | None:
    """Train and evaluate one step with XLA, if the config asks for XLA."""
    if OmegaConf.select(config, jit.KEY) is not True:
        return None
    train = dataset.train()
    x, y = train.x[:ROWS, :COLUMNS], output_of(config, dataset).labels(train.y[:ROWS])
    model = build(config.copy(), dataset)
    hint = f"give {jit.KEY}=auto or false"
    if not jit.turn_on(model):
        return f"{jit.KEY}=true: {jit.REFUSED}; {hint}"
    try:
        model.train_on_batch(x, y)
        model.test_on_batch(x, y)
    except Exception as error:  # whatever TensorFlow raises
        return f"{jit.KEY}=true: XLA can't compile the model: {jit.message(error)}; {hint}"
    return None


def _file_problem(
    config: DictConfig, dataset: Dataset, model: "keras.Model", file: Path
) -> str | None:
    """Save a model, and restore another one of the same config from the file."""
    is_saved = False
    try:
        if file.name.endswith(WEIGHTS):
            model.save_weights(file)
        else:
            model.save(file)
        is_saved = True
        load_file(build(config.copy(), dataset), file)
    except Exception as error:  # whatever Keras, or a class of the user's, raises
        ending = file.name.removeprefix("model")
        return _problem(f"{'restored from' if is_saved else 'saved in'} a {ending} file", error)
    return None


def _publish_problems(
    config: DictConfig, dataset: Dataset, model: "keras.Model", file: Path
) -> list[str]:
    """Load a model and predict, as the command does that a sweep prints at its end."""
    try:
        if not file.exists():
            model.save(file)
        loaded = load_saved(file, own_objects(file, module_of(config)))
        loaded(dataset.train().x[:1])
    except Exception as error:  # whatever Keras, or a class of the user's, raises
        step = "loaded from its file, as a published model is: give hydra.sweeper.publish=null, or"
        step += " mend its parts (see docs/howto/serve.md)"
        return [_problem(step, error)]
    return []


def _problem(step: str, error: Exception) -> str:
    text = one_line(error).partition(" Full object config:")[0]
    return f"the model can't be {step}: {type(error).__name__}: {text[:500]}"


def _endings(config: DictConfig) -> Iterator[str]:
    """Yield the endings of the config's checkpoint files."""
    plain: Any = OmegaConf.to_container(config, resolve=False)
    for callback in (plain.get("callbacks") or {}).values():
        if isinstance(callback, dict) and (filepath := callback.get("filepath")):
            yield WEIGHTS if str(filepath).endswith(WEIGHTS) else ".keras"


def _without_numbers(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_numbers(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_without_numbers(value) for value in node]
    return 0 if is_number(node) else node
