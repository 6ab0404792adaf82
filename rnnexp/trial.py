"""One trial, from config to result: data -> model -> compile -> callbacks -> fit."""

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from rnnexp import backend, data
from rnnexp.check import check
from rnnexp.current import CurrentTrial, current_trial
from rnnexp.errors import ConfigError
from rnnexp.objective import Objective
from rnnexp.result import Result, State
from rnnexp.tracking import Run, Tracker

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint"  # folder of a run's artifacts
SHORT_NAMES = {"learning_rate": "lr", "embedding_size": "embedding", "batch_size": "batch"}


def run(config: DictConfig) -> Result:
    """Train one model and log it: in a sweep as the study's trial, else on its own.

    Outside of a sweep the config is checked first, and the checkpoint is evaluated on
    the test part at the end.

    Raises:
        ConfigError: If the config can't work; nothing was started then.
    """
    trial = current_trial()
    alone = trial.number is None
    tracker = _tracker(config)
    if alone and (faults := [*check([config]), *tracker.faults()]):
        raise ConfigError(faults)
    tags: dict[str, object] = {"state": "RUNNING"}
    if not alone:
        tags |= {"study": trial.study_name, "trial": trial.number}
    params = {key: _as_composed(config, key, value) for key, value in trial.params.items()}
    with tracker.run(
        run_name(params), tags=tags, params=params, parent=trial.parent_run_id
    ) as mlflow_run:
        trial.set_run_id(mlflow_run.id)
        try:
            with _job_folder(mlflow_run):
                result = _train(config, trial, mlflow_run)
        except BaseException as error:
            reason = f"{type(error).__name__}: {error}"
            interrupted = isinstance(error, KeyboardInterrupt)
            mlflow_run.set_tags(
                {"state": State.FAIL, "reason": "interrupted" if interrupted else reason}
            )
            raise
        _log_result(mlflow_run, result)
        if alone:
            scores = evaluate(config, mlflow_run.id)
            mlflow_run.log_metrics({f"test_{name}": score for name, score in scores.items()})
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
    x, y = data.load(config.data).test()
    scores = model.evaluate(x, y, verbose=0, return_dict=True, **config.evaluate)
    return {name: float(scores[name]) for name in sorted(scores, key=lambda name: name != "loss")}


def run_name(params: dict[str, object]) -> str | None:
    """What was searched, in short: ``lr=0.0031 units=64``; None if nothing was."""
    parts = []
    for key, value in params.items():
        name = key.rpartition(".")[2]
        short = f"{value:.3g}" if isinstance(value, float) else str(value)
        parts.append(f"{SHORT_NAMES.get(name, name)}={short}")
    return " ".join(parts) or None


def _as_composed(config: DictConfig, key: str, value: object) -> object:
    """What the config has under a searched key; for the choice of a group, its name."""
    found = OmegaConf.select(config, key)
    return value if found is None or OmegaConf.is_config(found) else found


def _train(config: DictConfig, trial: CurrentTrial, mlflow_run: Run) -> Result:
    keras = backend.keras()
    # Imported here: only a process that trains needs TensorFlow.
    from rnnexp.callbacks import LogEpoch, ReportToStudy
    from rnnexp.model import build

    keras.utils.clear_session()
    keras.utils.set_random_seed(config.seed)
    dataset = data.load(config.data)
    model = build(config, dataset)
    mlflow_run.log_text(OmegaConf.to_yaml(config, resolve=True), "config.yaml")
    report = ReportToStudy(trial, Objective(**config.objective))
    callbacks = instantiate(config.callbacks, _convert_="all")
    model.fit(
        *dataset.train(),
        callbacks=[*callbacks.values(), LogEpoch(mlflow_run), report],
        **config.fit,
    )
    for callback in callbacks.values():
        if isinstance(callback, keras.callbacks.ModelCheckpoint):
            file = Path(callback.filepath)
            if file.exists():
                mlflow_run.log_file(file, CHECKPOINT)
    return report.result()


def _log_result(mlflow_run: Run, result: Result) -> None:
    mlflow_run.set_tags({"state": result.state})
    if result.reason:
        mlflow_run.set_tags({"reason": result.reason})
    if result.value is not None and result.best_epoch is not None:
        mlflow_run.log_metrics({"best_value": result.value, "best_epoch": result.best_epoch})
    if result.state == State.PRUNED:
        mlflow_run.end_killed()
    elif result.state == State.FAIL:
        mlflow_run.end_failed(result.reason)


@contextlib.contextmanager
def _job_folder(mlflow_run: Run) -> Iterator[None]:
    """Hydra's overrides and log go to MLflow; in a sweep, what Keras prints goes to the log."""
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    log_file = folder / f"{hydra.job.name}.log"
    mlflow_run.log_text(OmegaConf.to_yaml(hydra.overrides.task), "overrides.yaml")
    try:
        if hydra.mode == RunMode.MULTIRUN:
            with log_file.open("a", buffering=1) as out, contextlib.redirect_stdout(out):
                yield
        else:
            yield
    finally:
        if log_file.exists():
            mlflow_run.log_file(log_file)


def _tracker(config: DictConfig) -> Tracker:
    return Tracker(config.tracking.uri, config.tracking.experiment)
