"""What is wrong with callbacks, found before any work starts."""

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict

from rnnexp import keras_runtime
from rnnexp.data.source import is_count
from rnnexp.errors import one_line
from rnnexp.storage.uris import write_problem
from rnnexp.training.checks.learning_rates import scheduler_problems

if TYPE_CHECKING:
    import keras

OUTPUT_DIR = "${hydra:runtime.output_dir}"  # only a job has one


def callback_problems(config: DictConfig, model: "keras.Model", names: Sequence[str]) -> list[str]:
    """What is wrong with a config's callbacks; they are made, as in a trial, but not called.

    Args:
        config: The whole config.
        model: Its model, built and compiled.
        names: The model's metrics, with the loss.
    """
    if problems := list(_arguments(config)):
        return problems
    try:
        callbacks = _made(config)
    except Exception as error:  # whatever Keras, or a class of the user's, raises
        return [f"the callbacks can't be made: {one_line(error)}"]
    callback = keras_runtime.keras().callbacks.Callback
    if strange := [name for name, made in callbacks.items() if not isinstance(made, callback)]:
        return [
            f"callbacks.{name}={config.callbacks[name]}: is no Keras callback; give the import "
            f"path of one as callbacks.{name}._target_"
            for name in strange
        ]
    return [
        *_monitors(config, callbacks, names),
        *_files(callbacks),
        *_patterns(config, callbacks, names),
        *scheduler_problems(config, callbacks, model),
    ]


def _made(config: DictConfig) -> Mapping[str, object]:
    # For the check any folder will do, since no callback writes yet.
    text = OmegaConf.to_yaml(OmegaConf.create(config.get("callbacks") or {}))
    checked = config.copy()
    with open_dict(checked):
        checked.callbacks = OmegaConf.create(text.replace(OUTPUT_DIR, tempfile.gettempdir()))
    made: Mapping[str, object] = instantiate(checked.callbacks, _convert_="all")
    return made


def _arguments(config: DictConfig) -> Iterator[str]:
    """What Keras takes without a word, or with a warning, though it can't mean anything."""
    for name, given in (config.get("callbacks") or {}).items():
        if not OmegaConf.is_dict(given) or not str(given.get("_target_")).startswith(OURS):
            continue
        for argument, (rule, must_be) in ARGUMENTS.items():
            if argument in given and not rule(given[argument]):
                yield f"callbacks.{name}.{argument}={given[argument]}: must be {must_be}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and type(value) is not bool and math.isfinite(value)


def _is_whole(value: object) -> bool:
    return value == 0 or is_count(value)


def _is_flag(value: object) -> bool:
    return type(value) is bool


_WHOLE = (_is_whole, "a whole number, at least 0")
_FLAG = (_is_flag, "true or false")

OURS = ("keras.", "rnnexp.")  # callbacks whose arguments have Keras's meaning

# Of these callbacks: what an argument must be, whichever of them has it.
ARGUMENTS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "patience": _WHOLE,
    "start_from_epoch": _WHOLE,
    "cooldown": _WHOLE,
    "mode": (("auto", "min", "max").__contains__, "one of auto, min, max"),
    "baseline": (lambda value: value is None or _is_number(value), "a number, or null"),
    "min_delta": (lambda value: _is_number(value) and value >= 0, "a number, at least 0"),
    "min_lr": (lambda value: _is_number(value) and value >= 0, "a number, at least 0"),
    "factor": (lambda value: _is_number(value) and 0 < value < 1, "between 0 and 1"),
    "restore_best_weights": _FLAG,
    "save_best_only": _FLAG,
    "save_weights_only": _FLAG,
}


def _monitors(
    config: DictConfig, callbacks: Mapping[str, object], names: Sequence[str]
) -> list[str]:
    monitored = {config.objective.monitor: "objective.monitor"}
    for name, callback in callbacks.items():
        if hasattr(callback, "monitor"):
            monitored.setdefault(callback.monitor, f"callbacks.{name}.monitor")
    monitors = [*names, *(f"val_{name}" for name in names)]
    return [
        f"{key}={monitor}: no metric has this name; there are {', '.join(monitors)}"
        for monitor, key in monitored.items()
        if monitor not in monitors
    ]


def _files(callbacks: Mapping[str, object]) -> Iterator[str]:
    for name, callback in callbacks.items():
        for attribute in ("filepath", "filename", "log_dir"):
            file = getattr(callback, attribute, None)
            if not file:
                continue
            folder = file if attribute == "log_dir" else Path(file).parent
            if problem := write_problem(str(folder)):
                yield f"callbacks.{name}.{attribute}={file}: {problem}"


def _patterns(
    config: DictConfig, callbacks: Mapping[str, object], names: Sequence[str]
) -> Iterator[str]:
    """What of a filepath such as ``{epoch:02d}-{val_loss:.2f}.keras`` no epoch could fill in."""
    keras = keras_runtime.keras()
    validated = [f"val_{name}" for name in names]
    for name, callback in callbacks.items():
        if not isinstance(callback, keras.callbacks.ModelCheckpoint):
            continue
        # A file an epoch, of which some have no validation.
        sure = callback.save_best_only or config.fit.get("validation_freq", 1) == 1
        known = dict.fromkeys((*names, *(validated if sure else ())), 0.5)
        where = f"callbacks.{name}.filepath={callback.filepath}"
        try:
            callback.filepath.format(epoch=1, **known)
        except KeyError as error:
            there = f"there are epoch, {', '.join(known)}"
            if error.args[0] in validated:
                there = "with fit.validation_freq not every epoch has it; leave it out"
            yield f"{where}: there is no {error.args[0]} to fill in; {there}"
        except (ValueError, IndexError) as error:
            yield f"{where}: {one_line(error)}; write it such as {{epoch:02d}}"
