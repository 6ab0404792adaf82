"""One trial, from config to result: data -> model -> compile -> callbacks -> fit."""

import logging
import tempfile
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig

from rnnexp import backend, data
from rnnexp.check import check
from rnnexp.current import CurrentTrial, current_trial
from rnnexp.errors import ConfigError
from rnnexp.objective import Objective
from rnnexp.result import Result
from rnnexp.task import log_result, recorded
from rnnexp.tracking import Run, Tracker

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint"  # folder of a run's artifacts


def run(config: DictConfig) -> Result:
    """Train one model and log it: in a sweep as the study's trial, else on its own.

    Outside of a sweep the config is checked first, and the checkpoint is evaluated on
    the test part at the end.

    Raises:
        ConfigError: If the config can't work; nothing was started then.
    """
    trial = current_trial()
    if trial.run:
        return _train(config, trial, trial.run)
    tracker = _tracker(config)
    if faults := [*check([config]), *tracker.faults()]:
        raise ConfigError(faults)
    with recorded(tracker, config) as mlflow_run:
        result = _train(config, trial, mlflow_run)
        log_result(mlflow_run, result)
        scores = evaluate(config, mlflow_run.id)
        mlflow_run.log_batch(metrics={f"test_{name}": score for name, score in scores.items()})
    print(", ".join(f"{name} {score:.4f}" for name, score in scores.items()))
    return result


def evaluate(config: DictConfig, run_id: str) -> dict[str, float]:
    """The loss and metrics of a run's checkpoint on the test part.

    Args:
        config: The config that the run was trained with.
        run_id: The MLflow run; its checkpoint is fetched from its artifacts.

    Returns:
        Values by Keras's names, such as ``loss`` and ``accuracy``; empty if the run has no
        checkpoint, as when the ``model_checkpoint`` callback was left out. The loss is first.
    """
    keras = backend.keras()
    with tempfile.TemporaryDirectory() as folder:
        files = _tracker(config).download(run_id, CHECKPOINT, Path(folder))
        if not files:
            log.warning("nothing to evaluate: run %s has no checkpoint", run_id)
            return {}
        model = keras.models.load_model(files[0])
    test = data.load(config.data).test()
    scores = model.evaluate(test.x, test.y, verbose=0, return_dict=True, **config.evaluate)
    return {name: float(scores[name]) for name in sorted(scores, key=lambda name: name != "loss")}


def _train(config: DictConfig, trial: CurrentTrial, mlflow_run: Run) -> Result:
    keras = backend.keras()
    # Imported here: only a process that trains needs TensorFlow.
    from rnnexp.backup import Backup
    from rnnexp.callbacks import LogEpoch, ReportToStudy
    from rnnexp.model import build

    backend.settle()
    keras.utils.clear_session()
    keras.utils.set_random_seed(config.seed)
    dataset = data.load(config.data)
    model = build(config, dataset)
    callbacks = instantiate(config.callbacks, _convert_="all")
    backup = Backup(Path(HydraConfig.get().runtime.output_dir), callbacks)
    log_epoch = LogEpoch(mlflow_run)
    report = ReportToStudy(trial, Objective(**config.objective))
    saved = backup.load(model)
    done = False
    if saved:
        log.info("taken up again after epoch %s", max(saved.metrics))
        log_epoch.catch_up(saved.metrics)
        done = report.catch_up(saved.metrics) or saved.stopped
    if not done:
        own = [backup, log_epoch, report] if trial.run else [log_epoch, report]
        train = dataset.train()
        # Keras's names, but a file and a column: the data read them.
        fit = {k: v for k, v in config.fit.items() if k not in ("validation_data", "sample_weight")}
        fit |= {"initial_epoch": max(saved.metrics) + 1} if saved else {}
        model.fit(train.x, train.y, callbacks=[*callbacks.values(), *own], **fit)
    for callback in callbacks.values():
        if isinstance(callback, keras.callbacks.ModelCheckpoint):
            file = Path(callback.filepath)
            if file.exists():
                mlflow_run.log_file(file, CHECKPOINT)
    return report.result()


def _tracker(config: DictConfig) -> Tracker:
    return Tracker(config.tracking.uri, config.tracking.experiment)
