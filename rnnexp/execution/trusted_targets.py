"""The rule of what an archived config may import, read and write: a run in a store is data.

A config can name any function of any module, and Hydra calls the function. On the command line of a
sweep the config is the user's own. The config of a run that ``rnnexp export``, ``publish``,
``confirm`` and ``replay`` fetch is whatever somebody has stored. Without ``--trust``

- each target is one of this project's own, or a class or function of Keras or Optuna that touches
  neither files nor other code;
- nothing is resolved that reads the machine, such as ``${oc.env:NAME}``;
- callbacks write into the folder of the new job alone.
"""

import re
from collections.abc import Collection, Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

OUTPUT_DIR = "${hydra:runtime.output_dir}"
# The targets of conf/, and what conf/model/sequential.yaml is made of.
OWN = {
    "rnnexp.EarlyStoppingPruner",
    "rnnexp.data.generated.Generated",
    "rnnexp.data.imdb.Imdb",
    "rnnexp.data.table.Table",
    "rnnexp.pruning.EarlyStoppingPruner",
    "rnnexp.training.callbacks.ModelCheckpoint",
    "rnnexp.training.model.sequential",
    "rnnexp.training.model.stacked",
    "rnnexp.training.schedules.learning_rate_scheduler",
    "keras.Input",
    "keras.Model",
    "keras.Sequential",
}
MODULES = {
    "keras.activations",
    "keras.callbacks",
    "keras.constraints",
    "keras.initializers",
    "keras.layers",
    "keras.losses",
    "keras.metrics",
    "keras.optimizers",
    "keras.optimizers.schedules",
    "keras.regularizers",
    "optuna.pruners",
    "optuna.samplers",
}
# Names in these modules that call or load other code, or send what they get to an address.
REFUSED = {
    "deserialize",
    "get",
    "legacy",
    "schedules",
    "serialize",
    "FlaxLayer",
    "JaxLayer",
    "Lambda",
    "LambdaCallback",
    "RemoteMonitor",
    "TFSMLayer",
    "TorchModuleWrapper",
}
WRITES = ("keras.callbacks.", "rnnexp.training.callbacks.")  # beginnings of targets
WRITTEN = {"backup_dir", "directory", "filename", "filepath", "log_dir"}  # arguments of WRITES
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_OF_KEY = re.compile(r"\$\{[^${}:]*\}")  # such as ${model.units}; with a resolver it has a colon
_FOLDER = "{folder}"  # in place of OUTPUT_DIR


def is_trusted(target: object) -> bool:
    """Return whether a target may be imported without ``--trust``."""
    if not isinstance(target, str):
        return False
    module, _, name = target.rpartition(".")
    is_public = module in MODULES and _NAME.fullmatch(name) is not None
    return target in OWN or (is_public and name not in REFUSED)


def untrusted(config: DictConfig, made: Collection[str] | None = None) -> list[str]:
    """Return what in an archived config is against the rule of this module.

    Args:
        config: The config; ``${hydra:runtime.output_dir}`` is the folder of the new job.
        made: The keys at the top of which something is made, so that targets below them count; None
            for all keys.

    Returns:
        Texts with the key, such as ``data._target_=pandas.read_pickle``; empty if the config may be
        instantiated.
    """
    plain = _with_folder(OmegaConf.to_container(config, resolve=False))
    if resolving := list(_resolving(plain)):  # so nothing is resolved
        return [*resolving, *_foreign(_part(plain, made))]
    try:
        resolved = OmegaConf.to_container(OmegaConf.create(plain), resolve=True)
    except (OmegaConfBaseException, RecursionError) as error:
        return [*_foreign(_part(plain, made)), f"interpolations that can't be resolved: {error}"]
    return list(_foreign(_part(resolved, made)))


def needs_trust(config: DictConfig) -> bool:
    """Return whether the run of a job needs ``--trust`` later.

    Args:
        config: The job's composed config, which the run has without the node ``hydra``.
    """
    keys = [str(key) for key in config if key != "hydra"]
    return bool(untrusted(OmegaConf.masked_copy(config, keys)))


def _part(whole: Any, keys: Collection[str] | None) -> Any:
    return whole if keys is None else {key: whole[key] for key in keys if key in whole}


def _with_folder(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _with_folder(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_with_folder(value) for value in node]
    return node.replace(OUTPUT_DIR, _FOLDER) if isinstance(node, str) else node


def _resolving(node: Any, path: str = "") -> Iterator[str]:
    for key, value in _items(node):
        below = f"{path}.{key}".lstrip(".")
        if isinstance(value, str) and "${" in _OF_KEY.sub("", value):
            yield f"{below}={value}, which reads this machine"
        yield from _resolving(value, below)


def _foreign(node: Any, path: str = "") -> Iterator[str]:
    yield from (f"{path}.{text}".lstrip(".") for text in _foreign_values(node))
    for key, value in _items(node):
        yield from _foreign(value, f"{path}.{key}".lstrip("."))


def _foreign_values(node: Any) -> Iterator[str]:
    """Yield the values of one dict that are against the rule, with their keys."""
    if not isinstance(node, dict):
        return
    target = node.get("_target_")
    for key in ("_target_", "function"):
        # A key may be there without a value, such as the `function` of a layer.
        if key in node and node[key] is not None and not is_trusted(node[key]):
            yield f"{key}={node[key]}"
    schedule = node.get("schedule")
    if isinstance(schedule, str) and "." in schedule and not is_trusted(schedule):
        yield f"schedule={schedule}"
    if "class_name" in node and not is_trusted(f"{node.get('module')}.{node['class_name']}"):
        yield f"class_name={node['class_name']}, an object that Keras reads from its config"
    if node.get("_args_") and str(target).startswith(("rnnexp.", *WRITES)):
        yield f"_args_={node['_args_']}, arguments without a name"
    if str(target).startswith(WRITES):
        for key in sorted(WRITTEN & node.keys()):
            if isinstance(node[key], str) and not _is_in_folder(node[key]):
                yield f"{key}={node[key]}, which is outside of the job's folder"


def _is_in_folder(path: str) -> bool:
    first, *parts = path.split("/")
    return first == _FOLDER and ".." not in parts


def _items(node: Any) -> list[tuple[object, Any]]:
    if isinstance(node, dict):
        return list(node.items())
    return list(enumerate(node)) if isinstance(node, list) else []
