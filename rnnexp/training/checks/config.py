"""The check of whole configs, in which the other checks of this package come together.

Values are checked by rules. Whether a model can be built, suits its data and computes the monitored
metric is found out by building the model and evaluating two rows.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from rnnexp import data, keras_runtime
from rnnexp.data import Dataset
from rnnexp.errors import DataError, one_line
from rnnexp.number_ranges import FRACTION, WHOLE
from rnnexp.objective import settle_mode, value_in
from rnnexp.objectives_in_config import objectives_problems
from rnnexp.storage.mlflow_store import MlflowStore
from rnnexp.training import jit, steps_per_execution, unroll
from rnnexp.training.checkpoint import load
from rnnexp.training.checks.backend import backend_problems, log_device
from rnnexp.training.checks.bucketing import bucketing_problems
from rnnexp.training.checks.callbacks import callback_problems
from rnnexp.training.checks.choices import choice_problems
from rnnexp.training.checks.data_counts import log_counts
from rnnexp.training.checks.fit import fit_data_problems, fit_problems
from rnnexp.training.checks.folds import average_problems
from rnnexp.training.checks.import_paths import import_path_problems
from rnnexp.training.checks.learning_rates import learning_rate_problems
from rnnexp.training.checks.output_layer import output_problems
from rnnexp.training.checks.smallest_training import (
    number_problems,
    on_few_columns,
    structure_of,
    training_problems,
)
from rnnexp.training.compiled_models import is_of_keras
from rnnexp.training.model import build
from rnnexp.training.output_layer import output_of
from rnnexp.version import __version__

if TYPE_CHECKING:
    import keras

# The keys that `_data_and_model_problems` reads. Other keys of `fit` are left out: their values
# hardly change what is found, and each new combination builds a model.
BUILT_FROM = [
    "data",
    "model",
    "compile",
    "objective",
    "constraints",
    "seed",
    "callbacks",
    "checkpoint",
]
BUILT_FROM_FIT = [
    "validation_data",
    "validation_split",
    "class_weight",
    "sample_weight",
    "validation_freq",
    "epochs",
    "folds",
    "groups",
    "repeats",
    "refit",
]
# What to give for a key that has no default.
HINTS = {"data.test": ", a file, or a share of the rows of data.train, such as data.test=0.2"}


def check(configs: Sequence[DictConfig]) -> list[str]:
    """Return every problem of some configs, each once.

    Args:
        configs: Composed configs; in a sweep, those at the ends of the search space.

    Returns:
        One message per problem: what was given, why it can't work, what would work. Without the
        backend, nothing that needs Keras is checked.
    """
    problems = _deterministic_problems(configs)
    if without := backend_problems(configs):
        return problems + without
    built: set[str] = set()
    trained: dict[str, Sequence[str]] = {}
    for config in configs:
        try:
            problems += _problems(config, built, trained)
        except (ConfigAttributeError, ConfigKeyError) as error:
            problems.append(
                f"{error.full_key} is not in the config, which rnnexp {__version__} needs "
                "(an override that begins with ~ takes a key out)"
            )
    if not problems:
        log_counts(configs)
        log_device()
    return list(dict.fromkeys(problems))


def _problems(config: DictConfig, built: set[str], trained: dict[str, Sequence[str]]) -> list[str]:
    settle_mode(config)
    if missing := _missing_keys(config):
        return [f"{key} is not given: set it with {key}=...{HINTS.get(key, '')}" for key in missing]
    problems = [*_value_problems(config), *fit_problems(config)]
    built_from = OmegaConf.masked_copy(config, BUILT_FROM)
    built_from.fit = OmegaConf.masked_copy(config.fit, BUILT_FROM_FIT)
    key = OmegaConf.to_yaml(built_from)
    if key not in built:
        built.add(key)
        problems += _data_and_model_problems(config, trained)
    return problems


def _missing_keys(config: DictConfig) -> list[str]:
    # Not OmegaConf.missing_keys, which resolves interpolations: some only a job can resolve.
    plain: Any = OmegaConf.to_container(config, resolve=False)
    return [
        missing
        for key, value in plain.items()
        if key != "hydra"
        for missing in _missing_below(value, str(key))
    ]


def _missing_below(node: object, path: str) -> Iterator[str]:
    if node == "???":
        yield path
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _missing_below(value, f"{path}.{key}")


def _deterministic_problems(configs: Sequence[DictConfig]) -> list[str]:
    given = {config.deterministic for config in configs}
    problems = [
        problem
        for value in given
        for problem in choice_problems("deterministic", value, (True, False))
    ]
    if len(given) > 1 and not problems:
        return [
            "deterministic is searched: a process that is deterministic stays so; give it one value"
        ]
    return problems


def _value_problems(config: DictConfig) -> list[str]:
    problems = WHOLE.problems("seed", config.seed)
    problems += objectives_problems(config)
    for key in (jit.KEY, unroll.KEY):
        problems += choice_problems(key, value_in(config, key), (None, jit.AUTO, True, False))
    problems += [*unroll.problems(config), *steps_per_execution.problems(config)]
    for key in ("dropout", "recurrent_dropout"):  # Keras would clip other values
        problems += FRACTION.problems(f"model.{key}", config.model.get(key, 0))
    return problems


def _data_and_model_problems(config: DictConfig, trained: dict[str, Sequence[str]]) -> list[str]:
    if problems := import_path_problems(config):
        return problems
    try:
        dataset = data.load(config.data)
    except DataError as error:
        return list(error.problems)
    except (HydraException, OmegaConfBaseException) as error:
        return [f"data: {error}"]
    if problems := [*fit_data_problems(config, dataset), *output_problems(config, dataset)]:
        return problems
    return _model_problems(config, dataset, trained)


def _model_problems(
    config: DictConfig, dataset: Dataset, trained: dict[str, Sequence[str]]
) -> list[str]:
    """Return the problems of a model with the data.

    A model that differs from a trained one in numbers of its layers alone is only built, which
    looks at the shapes of all that its layers return.

    Args:
        config: The whole config.
        dataset: The data.
        trained: The names of loss and metrics, by the structure of the models that were trained.
    """
    keras = keras_runtime.keras()
    output, train = output_of(config, dataset), dataset.train()
    structure = structure_of(config)
    try:
        # Otherwise the metrics of a second model are named accuracy_1, ...
        keras.utils.clear_session(free_memory=False)
        model = build(config.copy(), dataset)
        # On TensorFlow a graph costs more than two rows; on JAX each operation is compiled anyway.
        model.run_eagerly = keras.backend.backend() == "tensorflow"
        if (width := _width(model, train.x[:1])) != output.units:
            wanted = f"for {output.units} classes" if output.units > 1 else "where one is needed"
            return [f"the model has {width} outputs {wanted}; give its last layer model.output_dim"]
        test = partial(model.test_on_batch, return_dict=True)
        rows, values = (train.x[:2], output.labels(train.y[:2])), dict[str, Any]()
        if structure not in trained:
            values = test(*rows)
        elif not is_of_keras(config):
            values = on_few_columns(test, *rows)
    except DataError as error:
        return list(error.problems)
    except Exception as error:  # whatever Keras, or a class of the user's, raises
        return [
            f"the model can't be built and evaluated: {type(error).__name__}: {one_line(error)}"
        ]
    problems = [
        *number_problems(values),
        *_checkpoint_problems(config, model),
        *learning_rate_problems(config, model, len(train.x)),
        *callback_problems(config, model, trained.get(structure) or list(values)),
        *average_problems(config, dataset),
    ]
    if problems or structure in trained:
        return problems
    trained[structure] = list(values)
    return bucketing_problems(config, dataset, model) or training_problems(config, dataset, model)


def _width(model: "keras.Model", x: Any) -> int:
    """Return the number of a model's outputs, which most models know before they are called."""
    try:
        shape = model.output_shape
    except AttributeError:  # a subclass of keras.Model
        shape = model(x).shape
    return int(shape[-1])


def _checkpoint_problems(config: DictConfig, model: "keras.Model") -> list[str]:
    if not config.checkpoint:
        return []
    try:
        load(model, config.checkpoint, MlflowStore(config.tracking.uri))
    except Exception as error:  # whatever Keras raises at a file that is not a checkpoint
        return [f"checkpoint={config.checkpoint}: {one_line(error)}"]
    return []
