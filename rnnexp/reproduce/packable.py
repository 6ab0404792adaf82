"""The config of a run whose model can be used: for the commands that do not train again."""

from mlflow.entities import Run
from omegaconf import DictConfig

from rnnexp.errors import NotFoundError
from rnnexp.reproduce.job_config import trusted_config
from rnnexp.storage.run_reader import RunReader, is_study
from rnnexp.storage.schema import Tags
from rnnexp.training.checkpoint import WEIGHTS


def packable_config(reader: RunReader, run: Run, *, builds: bool = False) -> DictConfig:
    """Return the config of a run whose model can be written.

    Args:
        reader: The store of the run.
        run: The run.
        builds: Whether the model is to be built and compiled, as for an evaluation.

    Raises:
        NotFoundError: If the run has no such model.
        UntrustedError: If the config is not trusted.
    """
    run_id, tags = run.info.run_id, run.data.tags
    if is_study(run):
        raise NotFoundError(f"run {run_id} is a study's; give one of its trials, STUDY/NUMBER")
    config = reader.config(run)
    if not {"data", "model", "compile"} <= set(config):
        raise NotFoundError(f"run {run_id} is of an application without a Keras model")
    if Tags.CHECKPOINT not in tags:
        reason = tags.get(
            Tags.CHECKPOINT_DELETED, "callbacks had no model_checkpoint, or no epoch ended"
        )
        raise NotFoundError(f"run {run_id} has no checkpoint: {reason}")
    if Tags.DATA not in tags:
        raise NotFoundError(f"run {run_id} has not stored which data it was trained on")
    # A file with the whole model is copied; weights alone need the model to be built.
    made = None if builds or tags[Tags.CHECKPOINT].endswith(WEIGHTS) else ("data",)
    return trusted_config(reader, run, config, made)
