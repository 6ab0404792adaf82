"""Keys of a composed config: their values, and messages on unknown keys."""

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnexp.errors import one_line
from rnnexp.formatting import did_you_mean


def unknown_key(config: DictConfig, key: str) -> str | None:
    """Return the message on a key that the config does not have; None if it has the key."""
    node: object = config
    path = ""
    for name in key.split("."):
        if not isinstance(node, DictConfig):
            return f"{key} is not in the config: {path} is a value and has no keys"
        if name not in node:
            keys = [str(known) for known in node if known != "hydra"]
            near = did_you_mean(name, keys)
            return f"{key} is not in the config: {path or 'the config'} has {', '.join(keys)}{near}"
        node, path = node._get_node(name), f"{path}.{name}".lstrip(".")
    return None


def value_of(config: DictConfig, key: str) -> object:
    """Return the value of a key, or the choice of a group.

    Raises:
        ValueError: If there is no such key, or if the key has keys below it.
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
        raise ValueError(f"{key} is not one value, it has {', '.join(map(str, value))}")
    return value
