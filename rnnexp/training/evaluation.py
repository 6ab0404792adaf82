"""Evaluation of a run's checkpoint: metrics and predictions, in one pass over the rows."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from mlflow.entities import Run as StoredRun
from omegaconf import DictConfig

from rnnexp import keras_runtime
from rnnexp.data import Dataset
from rnnexp.data.new_files import Examples
from rnnexp.evaluation.files import files_of
from rnnexp.evaluation.measures import Evaluation, evaluation_of
from rnnexp.evaluation.predictions import PROBABILITY, Predictions
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.mlflow_store import MlflowStore
from rnnexp.storage.schema import Files, Tags
from rnnexp.training.averaging import build_to_use
from rnnexp.training.checkpoint import load
from rnnexp.training.output_layer import kind_of_output, output_of
from rnnexp.training.outputs import probabilities_of
from rnnexp.training.streams import evaluate_on_stream


def evaluate_checkpoint(
    config: DictConfig, dataset: Dataset, run: StoredRun, examples: Examples
) -> tuple[Evaluation, dict[str, str]]:
    """Evaluate the checkpoint of a run.

    Args:
        config: The config that the run was trained with.
        dataset: The data that the run was trained on.
        run: The run, whose artifacts have the checkpoint.
        examples: What to evaluate on.

    Returns:
        The evaluation, with Keras's loss as the first of the scores; and the contents of its files.
    """
    scores, predictions = _one_pass(config, dataset, run.info.run_id, examples)
    evaluation = evaluation_of(predictions, scores, examples.texts)
    title = f"{_name_of(run)} on {examples.name}"
    return evaluation, files_of(title, evaluation, predictions)


def _one_pass(
    config: DictConfig, dataset: Dataset, run_id: str, examples: Examples
) -> tuple[dict[str, float], Predictions]:
    """Return Keras's loss and metrics, and the predictions; each row is read once."""
    keras_runtime.new_session()  # or metrics are named accuracy_1 after a training
    from rnnexp.training.recorder import Recorder  # which imports Keras

    output = output_of(config, dataset)
    recorder = Recorder(len(examples.x), output.units)
    model = build_to_use(config, dataset, recorder)
    load(model, run_id, MlflowStore(config.tracking.uri))
    order = np.arange(len(examples.x))
    labels = output.labels(examples.y)
    arguments: dict[str, Any] = {"x": examples.x, "y": labels, **config.evaluate}
    if dataset.lengths:
        from rnnexp.training.bucketing import evaluate_in_buckets

        arguments = evaluate_in_buckets(arguments, dataset.lengths)
        order = arguments["x"].order
    found = model.evaluate(**evaluate_on_stream(arguments), verbose=0, return_dict=True)
    found.pop(recorder.name)
    names = sorted(found, key=lambda name: name != "loss")
    outputs = recorder.outputs.astype(np.float64)
    places = order[: len(outputs)]  # `evaluate.steps` may end before the last row
    back = np.argsort(places, kind="stable")
    predictions = _predictions(config, dataset, places[back], examples.y, outputs[back])
    return {name: float(found[name]) for name in names}, predictions


def _predictions(
    config: DictConfig,
    dataset: Dataset,
    places: npt.NDArray[np.int64],
    y: npt.NDArray[Any],
    outputs: npt.NDArray[np.float64],
) -> Predictions:
    kind = kind_of_output(config, dataset)
    if kind in (PROBABILITY, "logit"):
        outputs, kind = probabilities_of(outputs, logits=kind == "logit"), PROBABILITY
    classes = list(map(str, dataset.classes))
    return Predictions(places + 1, np.asarray(y)[places], outputs, classes, kind)


def _name_of(run: StoredRun) -> str:
    tags = run.data.tags
    if Tags.TRIAL in tags:
        return f"{tags[Tags.STUDY]}/{tags[Tags.TRIAL]}"
    return str(run.info.run_name)


def writable(store: MlflowStore, run: StoredRun) -> Run:
    """Give access to a run; a trial's writes are queued in its folder, where that is here."""
    folder = Path(run.data.tags.get(Tags.FOLDER, ""))
    is_queued = Tags.TRIAL in run.data.tags and folder.is_dir()
    outbox = folder / Files.OUTBOX if is_queued else None
    return Run(store.client(), run.info.run_id, run.info.experiment_id, outbox)
