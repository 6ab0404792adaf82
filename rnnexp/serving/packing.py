"""A run's checkpoint as an MLflow model: raw text in, classes or numbers out."""

import shutil
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.errors import HydraException
from omegaconf import DictConfig

from rnnexp import data
from rnnexp.data import Dataset, encoding
from rnnexp.errors import ConfigError, NotFoundError
from rnnexp.serving import text_model
from rnnexp.serving.text_model import NETWORK, TEXT, Encoding
from rnnexp.storage.mlflow_store import Tracker
from rnnexp.storage.schema import Tags
from rnnexp.training.checkpoint import WEIGHTS, load
from rnnexp.training.model import build
from rnnexp.training.output_layer import HINGES, Output, loss_of, output_of

if TYPE_CHECKING:
    from mlflow.models import Model

REQUIREMENTS = ("mlflow", "tensorflow", "keras", "numpy", "pandas")


def dataset_of(config: DictConfig, run_id: str, fingerprint: str | None) -> Dataset:
    """The data that a run was trained on, for its vocabulary.

    Args:
        config: The run's config.
        run_id: The run, for messages.
        fingerprint: The data's, as the run has noted it; None if it has not.

    Raises:
        ConfigError: If the data can't be read any more.
        NotFoundError: If they are other data now.
    """
    try:
        dataset = data.load(config.data)
    except HydraException as error:
        raise ConfigError([f"run {run_id}: its data config can't be used: {error}"]) from error
    was = config.model.get("input_dim")
    if fingerprint and dataset.folder.name != fingerprint:
        differ = f"its fingerprint was {fingerprint}, now it is {dataset.folder.name}"
    elif was is not None and was != dataset.input_dim:
        differ = f"there were {was} ids, now there are {dataset.input_dim}"
    else:
        return dataset
    raise NotFoundError(
        f"the data of run {run_id} have changed since it was trained: {differ}; without them "
        "nobody knows which word each id stands for"
    )


def pack(
    config: DictConfig,
    dataset: Dataset,
    run_id: str,
    tracker: Tracker,
    folder: Path,
    model: "Model",
) -> None:
    """Write an MLflow model into a folder, which must be empty or not there.

    Args:
        config: The run's config.
        dataset: The data that it was trained on.
        run_id: The run, whose checkpoint is packed.
        tracker: Where the run is.
        folder: Where to.
        model: What MLflow knows of the model beside; it is completed.

    Raises:
        NotFoundError: If the run has no checkpoint.
    """
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    made = _encoding(config, dataset)
    with tempfile.TemporaryDirectory() as scratch:
        content, code = Path(scratch, "content"), Path(scratch, "code")
        content.mkdir()
        made.save(content)
        _network(config, dataset, run_id, tracker, content / NETWORK)
        package = _copy_code(code)
        mlflow.pyfunc.save_model(
            str(folder),
            loader_module=f"{package.name}.serving.text_model",
            data_path=str(content),
            code_paths=[str(package)],
            mlflow_model=model,
            signature=ModelSignature(
                Schema([ColSpec("string", TEXT)]),
                Schema([ColSpec(kind, name) for name, kind in made.columns().items()]),
            ),
            input_example=pd.DataFrame({TEXT: _example(made)}),
            pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
        )


def _encoding(config: DictConfig, dataset: Dataset) -> Encoding:
    return Encoding(
        words=dataset.words,
        maxlen=dataset.train().x.shape[1],
        split=config.data.split,
        classes=dataset.classes,
        output=_kind(config, output_of(config, dataset)) if dataset.classes else "value",
    )


def _kind(config: DictConfig, output: Output) -> str:
    if output.units == 1 and loss_of(config) in HINGES:
        return "score"
    return "logit" if output.activation == "linear" else "probability"


def _network(
    config: DictConfig, dataset: Dataset, run_id: str, tracker: Tracker, target: Path
) -> None:
    saved = tracker.tag(run_id, Tags.CHECKPOINT)
    if saved is None:
        raise NotFoundError(f"run {run_id} has no checkpoint")
    if saved.endswith(WEIGHTS):
        network = build(config.copy(), dataset)
        load(network, run_id, tracker)
        network.save(target)
        return
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(tracker.download(run_id, saved, Path(folder)), target)


def _copy_code(folder: Path) -> Path:
    """What the model needs of this project, as a package whose name tells its version.

    So that two models of different versions can be loaded into one process.
    """
    sources = [Path(text_model.__file__), Path(encoding.__file__)]
    digest = sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    package = folder / f"rnnexp_text_model_{digest[:8]}"
    for source in sources:
        target = package / source.relative_to(sources[0].parents[1])
        target.parent.mkdir(parents=True)
        for folder_of_code in (package, target.parent):
            (folder_of_code / "__init__.py").touch()
        shutil.copy(source, target)
    return package


def _example(made: Encoding) -> Sequence[str]:
    """Two texts of the most frequent words."""
    join = "" if made.split == "character" else " "
    return [join.join(made.words[:5]), join.join(made.words[5:10])]
