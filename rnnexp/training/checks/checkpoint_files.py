"""Checks of the files that callbacks write: their endings, and a file of its own for each trial."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from rnnexp import keras_runtime

# The arguments of Keras's callbacks that name what they write.
WRITTEN = ("filepath", "filename", "log_dir")
# What differs between trials, in a path: Hydra's folder, number, id and overrides of a job.
OF_A_TRIAL = ("hydra:runtime.output_dir", "hydra:job.", "hydra:sweep.subdir")


def checkpoint_file_problems(config: DictConfig, callbacks: Mapping[str, object]) -> Iterator[str]:
    """Find files that can't be read back, or that every trial would write.

    Args:
        config: The whole config; that of a trial has a ``hydra`` part.
        callbacks: The config's callbacks, instantiated, by name.

    Yields:
        One message per problem.
    """
    keras = keras_runtime.keras()
    for name, callback in callbacks.items():
        if isinstance(callback, keras.callbacks.ModelCheckpoint):
            file = str(config.callbacks[name]._get_node("filepath")._value())
            is_whole = not callback.save_weights_only
            if is_whole and not file.endswith(".keras"):
                yield (
                    f"callbacks.{name}.filepath={file}: must end in .keras; a file in another "
                    "format can't be read back"
                )
        for argument in WRITTEN:
            if hasattr(callback, argument) and _is_shared(config, name, argument):
                value = config.callbacks[name]._get_node(argument)._value()
                yield (
                    f"callbacks.{name}.{argument}={value}: every trial would write it; begin it "
                    "with ${hydra:runtime.output_dir}/, the trial's folder"
                )


def _is_shared(config: DictConfig, name: str, argument: str) -> bool:
    """Return whether all trials of a sweep get one value of an argument."""
    given = config.callbacks[name]
    node = given._get_node(argument) if OmegaConf.is_dict(given) else None
    if "hydra" not in config or node is None or not isinstance(node._value(), str):
        return False
    changes_folder = bool(OmegaConf.select(config, "hydra.job.chdir"))
    if changes_folder and not Path(node._value()).is_absolute():
        return False
    return not any(part in _written_out(config, node._value()) for part in OF_A_TRIAL)


def _written_out(config: DictConfig, text: str, depth: int = 9) -> str:
    """Return a text in which interpolations of the config's own keys are replaced."""

    def value(match: re.Match[str]) -> str:
        key, _, last = match[1].rpartition(".")
        parent = OmegaConf.select(config, key) if key else config
        node = parent._get_node(last) if OmegaConf.is_dict(parent) else None
        return (
            match[0]
            if node is None or not depth
            else _written_out(config, str(node._value()), depth - 1)
        )

    return re.sub(r"\$\{([\w.]+)\}", value, text)
