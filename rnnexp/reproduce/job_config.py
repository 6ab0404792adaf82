"""Config and threads of an archived run, for a new job that trains the run again.

A config comes from a store, so it is checked by `rnnexp.execution.trusted_targets` before anything
is made of it.
"""

import re
import shlex
from collections.abc import Collection
from typing import Any

from mlflow.entities import Run
from omegaconf import DictConfig, OmegaConf

from rnnexp.errors import NotFoundError, UntrustedError
from rnnexp.execution.trusted_targets import OUTPUT_DIR, untrusted
from rnnexp.storage.run_contents import unfinished_state
from rnnexp.storage.run_reader import RunReader, is_study
from rnnexp.storage.schema import Artifacts, Tags

# Keys of a config that `rnnexp.training.trial` can train.
KEYS = {"data", "model", "compile", "fit", "objective", "seed", "backend", "deterministic"}


def threads_of(reader: RunReader, run: Run) -> int:
    """Return the number of threads that TensorFlow had in a run.

    Raises:
        NotFoundError: If the run has not stored the number.
    """
    environment = reader.environment(run) or {}
    if "threads" not in environment:
        raise NotFoundError(
            f"run {run.info.run_id} has no {Artifacts.ENVIRONMENT} with its number of threads; "
            "its artifacts were deleted or changed"
        )
    return int(environment["threads"])


def worker_with(threads: int) -> DictConfig:
    """Return the ``_target_`` of an executor: a worker with a number of threads."""
    target = "rnnexp.execution.executors.WorkerExecutor"
    return OmegaConf.create({"_target_": target, "threads": threads})


def job_config(reader: RunReader, run: Run) -> DictConfig:
    """Return the config of a run for a new job, with the job's output folder in place of the run's.

    Raises:
        NotFoundError: If the run can't be trained again.
        UntrustedError: If the config is not trusted.
    """
    run_id, tags = run.info.run_id, run.data.tags
    if Tags.KIND not in tags:
        raise NotFoundError(f"run {run_id} was not made by rnnexp, so it can't be trained again")
    if is_study(run):
        study = tags[Tags.STUDY]
        raise NotFoundError(f"run {run_id} is a whole study; give one of its trials: {study}/0")
    if unfinished := unfinished_state(run):
        raise NotFoundError(f"run {run_id} is {unfinished}; it can be trained again at its end")
    config = reader.config(run)
    overrides = reader.overrides(run)
    if not set(config) >= KEYS:
        command = shlex.join(["python", "APPLICATION.py", *overrides])
        raise NotFoundError(
            f"run {run_id} was made by an application of your own, which only you can start: "
            f"{command}"
        )
    moved = trusted_config(reader, run, config)
    moved.hydra = {"overrides": {"task": overrides}}
    return moved


def trusted_config(
    reader: RunReader, run: Run, config: DictConfig, made: Collection[str] | None = None
) -> DictConfig:
    """Return the config of a run, for the job or the process that makes something of it.

    Args:
        reader: The store of the run, which becomes the config's, and whether it is trusted.
        run: The run.
        config: The config that the run has stored.
        made: The keys at the top of which something is made; None for all keys.

    Raises:
        UntrustedError: If the config is against the rule, and the reader is not told to trust it.
    """
    # Not followed by more of a name: folder 1 is not folder 10.
    folder = re.compile(re.escape(run.data.tags[Tags.FOLDER]) + r"(?![\w.-])")
    plain = _moved(OmegaConf.to_container(config, resolve=False), folder)
    for key in ("hydra", "defaults"):  # Hydra would compose other configs of `defaults`
        plain.pop(key, None)
    if isinstance(plain.get("tracking"), dict):
        plain["tracking"]["uri"] = reader.uri
    moved = DictConfig(plain)
    if not run.info.run_id.isalnum():  # the name of a file; MLflow's ids are hexadecimal
        raise UntrustedError(run.info.run_id, ["an id that is not one of MLflow's"])
    if not reader.trust and (found := untrusted(moved, made)):
        raise UntrustedError(run.info.run_id, found)
    return moved


def _moved(node: Any, folder: re.Pattern[str]) -> Any:
    if isinstance(node, dict):
        return {key: _moved(value, folder) for key, value in node.items()}
    if isinstance(node, list):
        return [_moved(value, folder) for value in node]
    return folder.sub(lambda _: OUTPUT_DIR, node) if isinstance(node, str) else node
