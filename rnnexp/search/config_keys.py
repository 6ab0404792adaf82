"""What a composed config has under a key."""

import difflib

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnexp.errors import one_line


def unknown_key(config: DictConfig, key: str) -> str | None:
    """What to say if the config has no such key: where it ends, and what there is instead."""
    node: object = config
    path = ""
    for name in key.split("."):
        if not isinstance(node, DictConfig):
            return f"{key} is not in the config: {path} is a value and has no keys"
        if name not in node:
            keys = [str(known) for known in node if known != "hydra"]
            near = did_you_mean(name, keys)
            return f"{key} is not in the config: {path or 'it'} has {', '.join(keys)}{near}"
        node, path = node._get_node(name), f"{path}.{name}".lstrip(".")
    return None


def did_you_mean(name: str, known: list[str]) -> str:
    """The end of a message on an unknown name: the nearest that is known; empty if none is near."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def value_of(config: DictConfig, key: str) -> object:
    """The value of a key, or the choice of a group.

    Raises:
        ValueError: If there is no such key, or more than one value under it.
    """
    choices = config.hydra.runtime.choices
    if key in choices:
        return choices[key]
    if unknown := unknown_key(config, key):
        raise ValueError(unknown)
    try:
        value = OmegaConf.select(config, key)
    except OmegaConfBaseException as error:
        raise ValueError(one_line(error)) from error
    if OmegaConf.is_config(value):
        raise ValueError(f"{key} is not one value, but has {', '.join(map(str, value))}")
    return value
