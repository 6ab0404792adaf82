"""What is wrong with a config, found before any work starts.

Settings are checked by rules; whether a model can be built, fits its data and produces
the monitored metric is found out by building it and evaluating two rows.
"""

import inspect
import json
import tempfile
from collections.abc import Sequence

from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnexp import backend, data
from rnnexp.data import Dataset
from rnnexp.data.source import is_count
from rnnexp.errors import DataError, one_line
from rnnexp.model import build

# What _data_and_model reads, but for the split, which other values hardly change.
BUILT_FROM = ["data", "model", "compile", "objective", "seed", "callbacks"]
DATA_OF_FIT = ["fit.validation_data", "fit.sample_weight"]  # to which data=table refers


def check(configs: Sequence[DictConfig]) -> list[str]:
    """Every fault of some configs, each once.

    Args:
        configs: Composed configs; in a sweep, those at the ends of what is searched.

    Returns:
        One message per fault: what was given, why it can't be, what would do.
    """
    faults: list[str] = []
    built: set[str] = set()
    for config in configs:
        if missing := _missing(config):
            faults += missing
            continue
        faults += [*_seed(config), *_fit(config), *_objective(config)]
        depends_on = OmegaConf.masked_copy(config, BUILT_FROM)
        parts = [OmegaConf.to_container(depends_on, resolve=False)]
        parts += [OmegaConf.select(config, name) for name in DATA_OF_FIT]
        key = json.dumps(parts, sort_keys=True)
        if key not in built:
            built.add(key)
            faults += _data_and_model(config)
    return list(dict.fromkeys(faults))


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


def _fit(config: DictConfig) -> list[str]:
    known = inspect.signature(backend.keras().Model.fit).parameters
    faults = [
        f"fit.{key}: model.fit has no such argument" for key in config.fit if key not in known
    ]
    faults += [
        f"{key}={value}: must be a whole number, at least 1"
        for key in ("fit.batch_size", "fit.epochs", "evaluate.batch_size")
        if not is_count(value := OmegaConf.select(config, key))
    ]
    if not _is_share(split := OmegaConf.select(config, "fit.validation_split")):
        faults.append(
            f"fit.validation_split={split}: must be between 0 and 1, both excluded, such as 0.2"
        )
    return faults


def _is_share(value: object) -> bool:
    return isinstance(value, float) and 0 < value < 1


def _objective(config: DictConfig) -> list[str]:
    if config.objective.mode in ("min", "max"):
        return []
    return [f"objective.mode={config.objective.mode}: must be min or max"]


def _data_and_model(config: DictConfig) -> list[str]:
    try:
        dataset = data.load(config.data)
    except DataError as error:
        return list(error.faults)
    except (HydraException, OmegaConfBaseException) as error:
        return [f"data: {error}"]
    faults = []
    rows, split = len(dataset.train().x), OmegaConf.select(config, "fit.validation_split")
    if _is_share(split) and not 0 < int(rows * (1 - split)) < rows:
        faults.append(
            f"fit.validation_split={split} of {rows} training reviews leaves none to train "
            "on, or none to validate on"
        )
    return faults + _model(config, dataset)


def _model(config: DictConfig, dataset: Dataset) -> list[str]:
    keras = backend.keras()
    train = dataset.train()
    x, y = train.x[:2], train.y[:2]
    try:
        keras.utils.clear_session(free_memory=False)  # else metrics are named accuracy_1, ...
        model = build(config.copy(), dataset)
        model.run_eagerly = True  # two rows are not worth a graph
        if faults := _labels(config, int(model.output_shape[-1]), dataset):
            return faults
        names = list(model.evaluate(x, y, verbose=0, return_dict=True))
    except Exception as error:  # whatever Keras, or a class of the user's, raises
        return [
            f"the model can't be built and evaluated: {type(error).__name__}: {one_line(error)}"
        ]
    monitors = [*names, *(f"val_{name}" for name in names)]
    try:
        monitored = _monitored(config)
    except Exception as error:
        return [f"the callbacks can't be made: {one_line(error)}"]
    return [
        f"{key}={monitor}: no metric has this name; there are {', '.join(monitors)}"
        for monitor, key in monitored.items()
        if monitor not in monitors
    ]


def _monitored(config: DictConfig) -> dict[str, str]:
    """What is monitored, and the first key that says so; callbacks are made, as in a trial."""
    # Only a job has a folder; for the check any will do, since no callback writes yet.
    folder = tempfile.gettempdir()
    text = OmegaConf.to_yaml(config.callbacks).replace("${hydra:runtime.output_dir}", folder)
    checked = config.copy()
    checked.callbacks = OmegaConf.create(text)
    made = instantiate(checked.callbacks, _convert_="all")
    monitored = {config.objective.monitor: "objective.monitor"}
    for name, callback in made.items():
        if hasattr(callback, "monitor"):
            monitored.setdefault(callback.monitor, f"callbacks.{name}.monitor")
    return monitored


def _labels(config: DictConfig, width: int, dataset: Dataset) -> list[str]:
    """Whether the labels, numbered from 0, fit the loss and an output of this width."""
    loss = str(OmegaConf.select(config, "compile.loss._target_") or config.compile.loss)
    name = loss.rpartition(".")[2].replace("_", "").lower()
    count = len(dataset.classes)
    shown = ", ".join(map(str, dataset.classes[:5])) + (", ..." if count > 5 else "")
    if name.startswith("binary") and count > 2:
        return [
            f"compile.loss={loss} is for two classes, but data.label has {count} ({shown}); "
            "use two, or keras.losses.SparseCategoricalCrossentropy with an output per class"
        ]
    if "categorical" in name and width < count:
        return [f"the model has {width} outputs for {count} classes ({shown})"]
    return []
