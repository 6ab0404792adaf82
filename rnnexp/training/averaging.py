"""The average of the models of a trial's folds, or repeats, as one model.

The model predicts the mean of their outputs. Its layers are Keras's own, so that it is saved,
loaded, evaluated and served like any other.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from rnnexp import keras_runtime
from rnnexp.data import Dataset
from rnnexp.objective import objective_in
from rnnexp.training.checkpoint import WEIGHTS, load_file
from rnnexp.training.model import build
from rnnexp.training.output_layer import compile_arguments, output_of

if TYPE_CHECKING:
    import keras

AVERAGE = "average"  # of ``fit.refit``


def is_averaged(config: DictConfig) -> bool:
    """Return whether the model of a trial is the average of several ones."""
    return config.fit.get("refit") == AVERAGE and number_of_trainings(config) > 1


def number_of_trainings(config: DictConfig) -> int:
    """Return the number of a trial's folds or repeats; 1 without either."""
    return config.fit.get("folds") or config.fit.get("repeats") or 1


def build_to_use(
    config: DictConfig, dataset: Dataset, recorder: "keras.metrics.Metric | None" = None
) -> "keras.Model":
    """Build the model that a trial's checkpoint holds: see `rnnexp.training.model.build`.

    Args:
        config: The whole config.
        dataset: The data that the model is for.
        recorder: One more metric; None for none.
    """
    if not is_averaged(config):
        return build(config, dataset, recorder)
    parts = [_part(build(config, dataset)) for _ in range(number_of_trainings(config))]
    return _average(config, dataset, parts, recorder)


def average(config: DictConfig, dataset: Dataset, files: Sequence[Path]) -> "keras.Model":
    """Average the models whose weights are in files.

    Args:
        config: The whole config.
        dataset: The data that the models are for.
        files: The weights of each model.
    """
    trained = [build(config, dataset) for _ in files]
    for model, file in zip(trained, files, strict=True):
        load_file(model, file)
    parts = list(map(_part, trained))
    averaged = _average(config, dataset, parts)
    for part, model in zip(parts, trained, strict=True):
        part.set_weights(model.get_weights())
    averaged.optimizer.build(averaged.trainable_variables)
    return averaged


def _part(model: "keras.Model") -> "keras.Model":
    """Return a model like a compiled one, without the optimizer, which would be saved with it."""
    made: keras.Model
    try:
        made = keras_runtime.keras().models.clone_model(model)
    except ValueError:  # a subclass of keras.Model
        made = type(model).from_config(model.get_config())
    return made


def _average(
    config: DictConfig,
    dataset: Dataset,
    parts: "Sequence[keras.Model]",
    recorder: "keras.metrics.Metric | None" = None,
) -> "keras.Model":
    keras = keras_runtime.keras()
    row = dataset.train().x[:1]
    # Batches of short texts may be cut.
    shape = (None,) if dataset.lengths else row.shape[1:]
    inputs = keras.Input(shape, dtype=str(row.dtype))
    # Within a model each layer needs a name of its own, and models of one's own may have the same.
    named = [keras.Sequential([part], name=f"part_{n}") for n, part in enumerate(parts)]
    model = keras.Model(inputs, keras.layers.Average()([part(inputs) for part in named]))
    arguments = compile_arguments(config, output_of(config, dataset))
    if recorder:
        arguments["metrics"] = [*(arguments.get("metrics") or []), recorder]
    model.compile(**arguments)
    return model


def keeper(config: DictConfig, folder: Path) -> "keras.callbacks.Callback":
    """Return a callback that keeps the weights of a training's best epoch in a file.

    Args:
        config: The whole config.
        folder: The folder of the training; see `kept_in`.
    """
    objective = objective_in(config)
    callback: keras.callbacks.Callback = keras_runtime.keras().callbacks.ModelCheckpoint(
        kept_in(folder), objective.monitor, mode=objective.mode,
        save_best_only=True, save_weights_only=True,
    )  # fmt: skip
    return callback


def kept_in(folder: Path) -> Path:
    """Return the file in which `keeper` keeps weights."""
    return folder / f"best{WEIGHTS}"
