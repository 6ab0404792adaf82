"""What is wrong with a config, found before any work starts.

Settings are checked by rules; whether a model can be built, fits its data and produces
the monitored metric is found out by building it and evaluating two rows.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnexp import data, keras_runtime
from rnnexp.data import Dataset
from rnnexp.data.source import is_count
from rnnexp.errors import DataError, one_line
from rnnexp.storage.mlflow_store import Tracker
from rnnexp.training.checkpoint import load
from rnnexp.training.checks.callbacks import callback_problems
from rnnexp.training.checks.import_paths import name_problems
from rnnexp.training.checks.learning_rates import rate_problems
from rnnexp.training.fit import fit_data_problems, fit_problems
from rnnexp.training.model import build
from rnnexp.training.output_layer import output_of, output_problems

if TYPE_CHECKING:
    import keras

# What _data_and_model reads, but for numbers of `fit` which other values hardly change.
BUILT_FROM = ["data", "model", "compile", "objective", "seed", "callbacks", "checkpoint"]
FIT = ["validation_data", "class_weight", "sample_weight", "validation_freq", "epochs"]


def check(configs: Sequence[DictConfig]) -> list[str]:
    """Every problem of some configs, each once.

    Args:
        configs: Composed configs; in a sweep, those at the ends of what is searched.

    Returns:
        One message per problem: what was given, why it can't be, what would do.
    """
    problems: list[str] = _deterministic(configs)
    built: set[str] = set()
    for config in configs:
        if missing := _missing(config):
            problems += missing
            continue
        problems += [*_seed(config), *fit_problems(config), *_objective(config), *_shares(config)]
        depends_on = OmegaConf.masked_copy(config, BUILT_FROM)
        depends_on.fit = OmegaConf.masked_copy(config.fit, FIT)
        key = OmegaConf.to_yaml(depends_on)
        if key not in built:
            built.add(key)
            problems += _data_and_model(config)
    return list(dict.fromkeys(problems))


def _missing(config: DictConfig) -> list[str]:
    # Not OmegaConf.missing_keys: it resolves interpolations, some of which only a job can.
    keys = _missing_keys(OmegaConf.to_container(config, resolve=False))
    return [f"{key} is not given: set it with {key}=..." for key in keys]


def _missing_keys(node: object, path: str = "") -> list[str]:
    if node == "???":
        return [path]
    if not isinstance(node, dict):
        return []
    return [
        missing
        for key, value in node.items()
        if path or key != "hydra"
        for missing in _missing_keys(value, f"{path}.{key}".lstrip("."))
    ]


def _seed(config: DictConfig) -> list[str]:
    if config.seed == 0 or is_count(config.seed):
        return []
    return [f"seed={config.seed}: must be a whole number, at least 0"]


def _deterministic(configs: Sequence[DictConfig]) -> list[str]:
    given = {config.get("deterministic", False) for config in configs}
    problems = [
        f"deterministic={value}: must be true or false"
        for value in given
        if value not in (True, False)
    ]
    if len(given) > 1 and not problems:
        problems.append(
            "deterministic is searched: a process that is deterministic stays so; give it one value"
        )
    return problems


def _objective(config: DictConfig) -> list[str]:
    if config.objective.mode in ("min", "max"):
        return []
    return [f"objective.mode={config.objective.mode}: must be min or max"]


def _shares(config: DictConfig) -> list[str]:
    # Keras takes the nearest share that can be, without a word.
    return [
        f"model.{key}={share}: must be a number from 0, below 1"
        for key in ("dropout", "recurrent_dropout")
        if not (isinstance(share := config.model.get(key, 0), int | float) and 0 <= share < 1)
    ]


def _data_and_model(config: DictConfig) -> list[str]:
    if problems := name_problems(config):
        return problems
    try:
        dataset = data.load(config.data)
    except DataError as error:
        return list(error.problems)
    except (HydraException, OmegaConfBaseException) as error:
        return [f"data: {error}"]
    if problems := [*fit_data_problems(config, dataset), *output_problems(config, dataset)]:
        return problems
    return _model(config, dataset)


def _model(config: DictConfig, dataset: Dataset) -> list[str]:
    keras = keras_runtime.keras()
    output, train = output_of(config, dataset), dataset.train()
    try:
        keras.utils.clear_session(free_memory=False)  # else metrics are named accuracy_1, ...
        model = build(config.copy(), dataset)
        model.run_eagerly = True  # two rows are not worth a graph
        if (width := model.output_shape[-1]) != output.units:
            wanted = f"for {output.units} classes" if output.units > 1 else "where one is needed"
            return [f"the model has {width} outputs {wanted}; give its last layer model.output_dim"]
        names = list(
            model.evaluate(train.x[:2], output.labels(train.y[:2]), verbose=0, return_dict=True)
        )
    except DataError as error:
        return list(error.problems)
    except Exception as error:  # whatever Keras, or a class of the user's, raises
        return [
            f"the model can't be built and evaluated: {type(error).__name__}: {one_line(error)}"
        ]
    return [
        *_checkpoint(config, model),
        *rate_problems(config, model, len(train.x)),
        *callback_problems(config, model, names),
    ]


def _checkpoint(config: DictConfig, model: "keras.Model") -> list[str]:
    if not config.checkpoint:
        return []
    try:
        load(model, config.checkpoint, Tracker(**config.tracking))
    except Exception as error:  # whatever Keras raises at a file that is none of its own
        return [f"checkpoint={config.checkpoint}: {one_line(error)}"]
    return []
