"""Checks of callbacks: their arguments, what they monitor, and the files that they write."""

import math
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from rnnexp import keras_runtime
from rnnexp.constraints import MEASURED
from rnnexp.errors import one_line
from rnnexp.number_ranges import NOT_NEGATIVE, SHARE, WHOLE, Range
from rnnexp.objective import MODES, known_mode, objective_in
from rnnexp.objectives_in_config import objectives_in, objectives_problems
from rnnexp.storage.uris import write_problem
from rnnexp.training.checks.checkpoint_files import checkpoint_file_problems
from rnnexp.training.checks.choices import choice_problems
from rnnexp.training.checks.learning_rates import scheduler_problems

if TYPE_CHECKING:
    import keras

OUTPUT_DIR = "${hydra:runtime.output_dir}"  # only a job has one

# Callbacks whose arguments have Keras's meaning, by the start of their import path.
KERAS_LIKE = ("keras.", "rnnexp.")
# What an argument must be, in whichever of those callbacks has it. Keras takes other values without
# an error, or with a warning, though they mean nothing.
RANGES = {
    "patience": WHOLE,
    "start_from_epoch": WHOLE,
    "cooldown": WHOLE,
    "min_delta": NOT_NEGATIVE,
    "min_lr": NOT_NEGATIVE,
    "factor": SHARE,
}
CHOICES: dict[str, tuple[object, ...]] = {
    "mode": MODES,
    "restore_best_weights": (True, False),
    "save_best_only": (True, False),
    "save_weights_only": (True, False),
}
TARGET = "rnnexp.training.callbacks.ModelCheckpoint"


def callback_problems(config: DictConfig, model: "keras.Model", names: Sequence[str]) -> list[str]:
    """Return the problems of a config's callbacks, which are instantiated, but not called.

    Args:
        config: The whole config.
        model: The model of the config, built and compiled.
        names: The names of the model's loss and metrics.
    """
    if problems := list(_argument_problems(config)):
        return problems
    try:
        callbacks = _instantiate(config)
    except Exception as error:  # whatever Keras, or a class of the user's, raises
        return [f"the callbacks can't be made: {one_line(error)}"]
    callback = keras_runtime.keras().callbacks.Callback
    if others := [name for name, made in callbacks.items() if not isinstance(made, callback)]:
        return [
            f"callbacks.{name}={config.callbacks[name]}: is not a Keras callback; give the import "
            f"path of one as callbacks.{name}._target_"
            for name in others
        ]
    return [
        *_monitor_problems(config, callbacks, names),
        *_file_problems(callbacks),
        *checkpoint_file_problems(config, callbacks),
        *_pattern_problems(config, callbacks, names),
        *_mode_problems(config, callbacks),
        *_checkpoint_problems(config, callbacks),
        *scheduler_problems(config, callbacks, model),
    ]


def _argument_problems(config: DictConfig) -> Iterator[str]:
    for name, given in (config.get("callbacks") or {}).items():
        if not OmegaConf.is_dict(given) or not str(given.get("_target_")).startswith(KERAS_LIKE):
            continue
        for argument in given:  # not all items, since only a job can resolve some values
            key = f"callbacks.{name}.{argument}"
            if argument in RANGES:
                yield from RANGES[argument].problems(key, given[argument])
            elif argument in CHOICES:
                yield from choice_problems(key, given[argument], CHOICES[argument])
            elif argument == "baseline" and not _is_number_or_none(given[argument]):
                yield f"{key}={given[argument]}: must be a number, or null"


def _is_number_or_none(value: object) -> bool:
    return value is None or value in Range(-math.inf)


def _instantiate(config: DictConfig) -> Mapping[str, object]:
    # Any folder will do in place of the job's, since no callback writes yet.
    plain = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    text = OmegaConf.to_yaml(plain).replace(OUTPUT_DIR, tempfile.gettempdir())
    checked: Any = OmegaConf.create(re.sub(r"\$\{hydra:[^}]*\}", "0", text))
    made: Mapping[str, object] = instantiate(checked.get("callbacks") or {}, _convert_="all")
    return made


def _monitor_problems(
    config: DictConfig, callbacks: Mapping[str, object], names: Sequence[str]
) -> list[str]:
    monitored = {config.objective.monitor: "objective.monitor"}
    if not objectives_problems(config):  # which are told elsewhere
        objectives = objectives_in(config)
        monitored |= {each.monitor: "objective.others" for each in objectives.others}
        named = {each.name: "constraints" for each in objectives.constraints}
        monitored = named | monitored
    for name, callback in callbacks.items():
        if hasattr(callback, "monitor"):
            monitored.setdefault(callback.monitor, f"callbacks.{name}.monitor")
    monitors = [*names, *(f"val_{name}" for name in names)]
    measured = {"objective.others": MEASURED, "constraints": MEASURED}
    return [
        f"{key}={monitor}: no metric has this name; there are "
        f"{', '.join([*monitors, *measured.get(key, ())])}"
        for monitor, key in monitored.items()
        if monitor not in [*monitors, *measured.get(key, ())]
    ]


def _file_problems(callbacks: Mapping[str, object]) -> Iterator[str]:
    for name, callback in callbacks.items():
        for attribute in ("filepath", "filename", "log_dir"):
            file = getattr(callback, attribute, None)
            if not file:
                continue
            folder = file if attribute == "log_dir" else Path(file).parent
            if problem := write_problem(str(folder)):
                yield f"callbacks.{name}.{attribute}={file}: {problem}"


def _pattern_problems(
    config: DictConfig, callbacks: Mapping[str, object], names: Sequence[str]
) -> Iterator[str]:
    """Find the fields of a filepath, such as ``{val_loss:.2f}.keras``, that an epoch lacks."""
    keras = keras_runtime.keras()
    validated = [f"val_{name}" for name in names]
    for name, callback in callbacks.items():
        if not isinstance(callback, keras.callbacks.ModelCheckpoint):
            continue
        # Without `save_best_only`, epochs that are not validated are saved too.
        has_values = callback.save_best_only or config.fit.get("validation_freq", 1) == 1
        known = dict.fromkeys((*names, *(validated if has_values else ())), 0.5)
        where = f"callbacks.{name}.filepath={callback.filepath}"
        try:
            callback.filepath.format(epoch=1, **known)
        except KeyError as error:
            hint = f"there are epoch, {', '.join(known)}"
            if error.args[0] in validated:
                hint = f"with fit.validation_freq not every epoch has {error.args[0]}; leave it out"
            yield f"{where}: there is no {error.args[0]} to fill in; {hint}"
        except (ValueError, IndexError) as error:
            yield f"{where}: {one_line(error)}; write a field such as {{epoch:02d}}"


def _mode_problems(config: DictConfig, callbacks: Mapping[str, object]) -> Iterator[str]:
    """Find callbacks to which the worst epoch is the best, or that can't tell which one is."""
    for name, callback in callbacks.items():
        monitor, mode = getattr(callback, "monitor", None), getattr(callback, "mode", None)
        if not isinstance(monitor, str) or mode not in MODES:
            continue
        known = known_mode(config, monitor)
        where = f"callbacks.{name}.mode={mode}"
        if mode == "auto" and known is None:
            yield f"{where}: whether less or more {monitor} is better is unknown; give min or max"
        elif known and mode not in ("auto", known):
            more = "more" if known == "max" else "less"
            yield f"{where}, but {more} {monitor} is better; give callbacks.{name}.mode={known}"


def _checkpoint_problems(config: DictConfig, callbacks: Mapping[str, object]) -> Iterator[str]:
    """Find out why the best epoch's model, which is evaluated and published, would be lost."""
    checkpoint = keras_runtime.keras().callbacks.ModelCheckpoint
    saving = {name: made for name, made in callbacks.items() if isinstance(made, checkpoint)}
    names = [Path(made.filepath).name for made in saving.values()]
    for name, made in saving.items():
        if names.count(Path(made.filepath).name) > 1:
            yield (
                f"callbacks.{name}.filepath={made.filepath}: another callback saves to a file of "
                "this name, too; give each a name of its own"
            )
    found = [_why_best_is_lost(config, name, made) for name, made in saving.items()]
    if None not in found:  # one that keeps the best epoch's model will do
        yield from (problem for problem in found if problem)


def _why_best_is_lost(config: DictConfig, name: str, callback: Any) -> str | None:
    # Imported here, since the module imports Keras.
    from rnnexp.training.callbacks import ModelCheckpoint

    objective, where = objective_in(config), f"callbacks.{name}"
    lost = f"the best epoch's model by {objective.monitor}, which is evaluated and published"
    if not isinstance(callback, ModelCheckpoint):
        return f"{where}: a {type(callback).__name__} of Keras doesn't find {lost}; use {TARGET}"
    if callback.save_freq != "epoch":
        return f"{where}.save_freq={callback.save_freq}: must be epoch, to keep {lost}"
    if not callback.save_best_only:
        problem = (
            f"{where}.save_best_only=false: later epochs would be saved over {lost}; put {{epoch}} "
            "into the file's name, for a file an epoch, or give save_best_only=true"
        )
        is_kept = _is_one_file_an_epoch(Path(callback.filepath).name, config.fit.epochs)
        return None if is_kept else problem
    mode = known_mode(config, callback.monitor) if callback.mode == "auto" else callback.mode
    if mode and (callback.monitor, mode) != (objective.monitor, objective.mode):
        return (
            f"{where}.monitor={callback.monitor} with mode={mode} would not keep {lost} "
            f"({objective}); leave both out, or change objective.monitor and objective.mode"
        )
    if callback.best is None:
        return None
    return (
        f"{where}.initial_value_threshold={callback.best}: a trial that does not reach it would "
        f"not keep {lost}; leave it out"
    )


def _is_one_file_an_epoch(name: str, epochs: int) -> bool:
    values: dict[str, float] = defaultdict(lambda: 0.5)  # of the metrics, alike in all epochs
    try:
        names = {name.format_map(values | {"epoch": epoch}) for epoch in range(1, epochs + 1)}
    except (ValueError, IndexError):  # `_pattern_problems` reports it
        return True
    return len(names) == epochs
