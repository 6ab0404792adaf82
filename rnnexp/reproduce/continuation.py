"""``rnnexp continue``: an archived run trained on from its best epoch, as a new run."""

from dataclasses import dataclass

from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from omegaconf import DictConfig

from rnnexp.errors import NotFoundError
from rnnexp.objective import objective_in
from rnnexp.reproduce.job_config import job_config
from rnnexp.reproduce.retrain import Training, folder_alone, retrain_alone
from rnnexp.storage.run_reader import RunReader
from rnnexp.storage.schema import Kind, Metrics
from rnnexp.training.checkpoint import no_checkpoint
from rnnexp.training.folds import stages_of


@dataclass(frozen=True)
class Continuation:
    """A run, and the run that goes on from its best epoch.

    Attributes:
        original: The archived run.
        continued: The new run, whose epochs are counted on.
        is_better: Whether the new run has a better best value.
    """

    original: Run
    continued: Run
    is_better: bool


def continue_run(
    reader: RunReader, original: Run, epochs: int, executor: DictConfig | None = None
) -> Continuation:
    """Train on from the checkpoint of a run, with its config and on its data.

    Args:
        reader: Reads the store of the run, which the new run goes to.
        original: The run, which has ended.
        epochs: The number of epochs after the best one, at least 1.
        executor: ``_target_`` of an executor; None for a worker with the threads that the run had.

    Returns:
        The run, and the new run.

    Raises:
        ConfigError: If the run's config can't work, or its data have changed.
        NotFoundError: If the run can't go on, as without a checkpoint.
        SweepError: If the training failed.
    """
    run_id, metrics = original.info.run_id, original.data.metrics
    config = job_config(reader, original)
    if reason := no_checkpoint(run_id, reader.store):
        raise NotFoundError(f"run {run_id} can't be continued: {reason}")
    if Metrics.BEST_EPOCH not in metrics:
        raise NotFoundError(f"run {run_id} can't be continued: it has no best epoch")
    if stages_of(config):
        raise NotFoundError(
            f"run {run_id} can't be continued: its model was trained on the whole training part, "
            "so no row is left to validate on"
        )
    training = Training(
        original,
        name=f"{original.info.run_name}, continued",
        folder=folder_alone(Kind.CONTINUATION, run_id),
        kind=Kind.CONTINUATION,
        params=original.data.params,
        parent=original.data.tags.get(MLFLOW_PARENT_RUN_ID),
        overrides=_overrides(original, epochs),
    )
    trained = retrain_alone(reader, training, executor)
    is_better = objective_in(config).is_better(trained.value, metrics[Metrics.BEST_VALUE])
    return Continuation(original, reader.client.get_run(trained.run_id), is_better)


def _overrides(original: Run, epochs: int) -> tuple[str, ...]:
    """Return the overrides that let the training go on after the best epoch."""
    first = int(original.data.metrics[Metrics.BEST_EPOCH]) + 1
    return (
        f"++checkpoint={original.info.run_id}",
        f"++fit.initial_epoch={first}",
        f"++fit.epochs={first + epochs}",
    )
