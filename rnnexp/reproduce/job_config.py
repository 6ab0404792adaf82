"""What an archived run is to be trained again with: its config, for a new job, and its threads."""

import re
import shlex
import tempfile
from pathlib import Path
from typing import Any

from mlflow.entities import Run
from omegaconf import DictConfig, OmegaConf

from rnnexp.cores import available_cores
from rnnexp.errors import NotFoundError
from rnnexp.storage.run_reader import RunReader, is_study

OUTPUT_DIR = "${hydra:runtime.output_dir}"
OWN = {"data", "model", "compile", "fit", "objective", "seed"}  # what configs of this program have
OVERRIDES = "overrides.yaml"  # of a run's artifacts


def threads_of(reader: RunReader, run: Run) -> tuple[int, str]:
    """How many threads TensorFlow had in a run, and what is to be said if that isn't known."""
    environment = reader.environment(run) or {}
    if isinstance(threads := environment.get("threads"), int):
        return threads, ""
    guess = 1 if "trial" in run.data.tags else len(available_cores())
    return guess, (
        f"run {run.info.run_id[:8]} doesn't tell how many threads it had; {guess} "
        f"{'is' if guess == 1 else 'are'} taken, and with others the last bits can differ"
    )


def job_config(reader: RunReader, run: Run) -> DictConfig:
    """A run's config, for a new job: its output folder is whichever the job has.

    Raises:
        NotFoundError: If the run can't be trained again.
    """
    run_id = run.info.run_id
    if is_study(run):
        study = run.data.tags.get("study")
        raise NotFoundError(f"run {run_id} is a whole study; give one of its trials: {study}/0")
    if run.info.status == "RUNNING":
        raise NotFoundError(f"run {run_id} is still running; it can be trained again at its end")
    config = reader.config(run)
    overrides = _overrides(reader, run)
    if not set(config) >= OWN:
        command = shlex.join(["python", "APPLICATION.py", *overrides])
        raise NotFoundError(
            f"run {run_id} was made by an application of your own, which only you can start: "
            f"{command}"
        )
    # Not followed by more of a name: folder 1 is not folder 10.
    folder = re.compile(re.escape(_folder(reader, run, config)) + r"(?![\w.-])")
    moved = OmegaConf.create(_moved(OmegaConf.to_container(config, resolve=False), folder))
    moved.tracking.uri = reader.uri
    moved.hydra = {"overrides": {"task": overrides}}
    return DictConfig(moved)


def _moved(node: Any, folder: re.Pattern[str]) -> Any:
    if isinstance(node, dict):
        return {key: _moved(value, folder) for key, value in node.items()}
    if isinstance(node, list):
        return [_moved(value, folder) for value in node]
    return folder.sub(lambda _: OUTPUT_DIR, node) if isinstance(node, str) else node


def _overrides(reader: RunReader, run: Run) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        loaded = OmegaConf.load(reader.download(run, OVERRIDES, Path(folder)))
    # An override may be of what only its job had, such as the output folder.
    return [str(override) for override in OmegaConf.to_container(loaded, resolve=False) or ()]


def _folder(reader: RunReader, run: Run, config: DictConfig) -> str:
    """The run's output folder."""
    tags = run.data.tags
    if "folder" in tags:
        return tags["folder"]
    # Of an earlier version: the study tells its own, and the checkpoint is in the run's.
    if "study" in tags and (folder := reader.study(tags["study"]).data.tags.get("folder")):
        return str(Path(folder, tags["trial"]))
    if file := OmegaConf.select(config, "callbacks.model_checkpoint.filepath"):
        return str(Path(file).parent)
    raise NotFoundError(
        f"run {run.info.run_id} is of an earlier version and doesn't tell its output folder, "
        "which would be written to again"
    )
