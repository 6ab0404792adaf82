"""What is wrong with callbacks and learning rates, found before any work starts."""

import inspect
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict

from rnnexp import backend
from rnnexp.errors import one_line
from rnnexp.stores import write_fault

if TYPE_CHECKING:
    import keras

OUTPUT_DIR = "${hydra:runtime.output_dir}"  # only a job has one


def callback_faults(config: DictConfig, model: "keras.Model", names: Sequence[str]) -> list[str]:
    """What is wrong with a config's callbacks; they are made, as in a trial, but not called.

    Args:
        config: The whole config.
        model: Its model, built and compiled.
        names: The model's metrics, with the loss.
    """
    try:
        callbacks = _made(config)
    except Exception as error:  # whatever Keras, or a class of the user's, raises
        return [f"the callbacks can't be made: {one_line(error)}"]
    return [
        *_monitors(config, callbacks, names),
        *_files(callbacks),
        *_schedules(config, callbacks, model),
    ]


def rate_faults(config: DictConfig, model: "keras.Model", rows: int) -> list[str]:
    """Why the optimizer's own schedule can't be used; empty if it can, or if there is none.

    Args:
        config: The whole config.
        model: Its model, built and compiled.
        rows: Of the training part.
    """
    keras = backend.keras()
    schedule = model.optimizer._learning_rate
    if not isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        return []
    steps = math.ceil(rows / config.fit.batch_size) * config.fit.epochs
    where = "compile.optimizer.learning_rate"
    for step in (0, 1, steps // 2, steps):
        try:
            rate = float(schedule(step))
        except Exception as error:  # whatever TensorFlow raises at arguments that it can't compute
            return [f"{where}: the schedule fails at step {step}: {one_line(error)[:200]}"]
        if not (math.isfinite(rate) and rate >= 0):
            return [f"{where}: the schedule gives {rate} at step {step} of {steps}"]
    return []


def _made(config: DictConfig) -> Mapping[str, object]:
    # For the check any folder will do, since no callback writes yet.
    text = OmegaConf.to_yaml(OmegaConf.create(config.get("callbacks") or {}))
    checked = config.copy()
    with open_dict(checked):
        checked.callbacks = OmegaConf.create(text.replace(OUTPUT_DIR, tempfile.gettempdir()))
    made: Mapping[str, object] = instantiate(checked.callbacks, _convert_="all")
    return made


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
        for attribute in ("filepath", "filename"):
            file = getattr(callback, attribute, None)
            if file and (fault := write_fault(str(Path(file).parent))):
                yield f"callbacks.{name}.{attribute}={file}: {fault}"


def _schedules(
    config: DictConfig, callbacks: Mapping[str, object], model: "keras.Model"
) -> Iterator[str]:
    keras = backend.keras()
    has_own = isinstance(
        model.optimizer._learning_rate, keras.optimizers.schedules.LearningRateSchedule
    )
    setters = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
    for name, callback in callbacks.items():
        if not isinstance(callback, setters):
            continue
        if has_own:
            yield (
                f"callbacks.{name}: compile.optimizer.learning_rate is a schedule, which no "
                "callback can change; leave one of them"
            )
        elif isinstance(callback, keras.callbacks.LearningRateScheduler):
            first, epochs = config.fit.get("initial_epoch", 0), config.fit.epochs
            fault = schedule_fault(callback, float(model.optimizer.learning_rate), first, epochs)
            if fault:
                yield f"callbacks.{name}.schedule: {fault}"


def schedule_fault(
    callback: "keras.callbacks.LearningRateScheduler", rate: float, first: int, epochs: int
) -> str | None:
    """Why a schedule can't be used, tried for every epoch; None if it can.

    Args:
        callback: Keras's callback with the schedule.
        rate: The optimizer's learning rate.
        first: The first epoch, counted from 0.
        epochs: The epoch to stop before.
    """
    for epoch in range(first, epochs):
        try:
            # Keras takes functions of the epoch alone, too.
            takes_rate = len(inspect.signature(callback.schedule).parameters) > 1
            rate = callback.schedule(epoch, rate) if takes_rate else callback.schedule(epoch)
            is_rate = math.isfinite(rate) and rate >= 0
        except Exception as error:  # whatever a function of the user's raises
            return f"fails at epoch {epoch}: {type(error).__name__}: {one_line(error)}"
        if not is_rate:
            return f"gives {rate} at epoch {epoch}; a learning rate must be a number, at least 0"
    return None
