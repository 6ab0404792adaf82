"""MLflow models of checkpoints: an input of raw text, an output of classes or numbers."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from rnnexp import data, keras_runtime
from rnnexp.data import Dataset
from rnnexp.data import encoding as data_encoding
from rnnexp.errors import ConfigError, NotFoundError, one_line
from rnnexp.serving import text_model
from rnnexp.serving.text_model import NETWORK, TEXT, Encoding, TextModel
from rnnexp.storage.mlflow_store import MlflowStore
from rnnexp.storage.schema import Tags
from rnnexp.training import outputs, saved_model
from rnnexp.training.checkpoint import WEIGHTS, load
from rnnexp.training.model import build, module_of
from rnnexp.training.output_layer import kind_of_output
from rnnexp.training.run_data import data_problem

if TYPE_CHECKING:
    from mlflow.models import Model

REQUIREMENTS = ("mlflow", "tensorflow", "keras", "numpy", "pandas")


def dataset_of(config: DictConfig, run_id: str, tags: Mapping[str, str]) -> Dataset:
    """Load the data that a run was trained on, which have its vocabulary.

    Args:
        config: The run's config.
        run_id: The run's id, for messages.
        tags: The run's tags, among them the fingerprint of the data that it was trained on.

    Raises:
        ConfigError: If the data can't be read any more.
        NotFoundError: If the data have changed.
    """
    try:
        dataset = data.load(config.data)
    except HydraException as error:
        raise ConfigError([f"run {run_id}: its data config can't be used: {error}"]) from error
    if problem := data_problem(config, dataset, tags):
        raise NotFoundError(
            f"the data of run {run_id} {problem}; without the original data, the word of each id "
            "is unknown"
        )
    return dataset


def pack(
    config: DictConfig,
    dataset: Dataset,
    run_id: str,
    store: MlflowStore,
    folder: Path,
    model: "Model",
) -> list[str]:
    """Write an MLflow model into a folder.

    Args:
        config: The run's config.
        dataset: The data that the run was trained on.
        run_id: Id of the run, whose checkpoint is packed.
        store: The store of the run.
        folder: The folder, which must be empty or missing.
        model: MLflow's description of the model, such as its ids; it is completed.

    Returns:
        The import paths of the model's own classes and functions, which must be importable where
        the model is loaded.

    Raises:
        NotFoundError: If the run has no checkpoint, or its model can't be loaded.
    """
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    with tempfile.TemporaryDirectory() as scratch:
        content, code = Path(scratch, "content"), Path(scratch, "code")
        content.mkdir()
        _network(config, dataset, run_id, store, content / NETWORK)
        encoding = _encoding(config, dataset, _needed(config, content / NETWORK, run_id))
        encoding.save(content)
        package = _copy_code(code)
        mlflow.pyfunc.save_model(
            str(folder),
            loader_module=f"{package.name}.serving.text_model",
            data_path=str(content),
            code_paths=[str(package)],
            mlflow_model=model,
            signature=ModelSignature(
                Schema([ColSpec("string", name) for name in encoding.inputs]),
                Schema([ColSpec(kind, name) for name, kind in encoding.columns().items()]),
            ),
            input_example=pd.DataFrame(dict.fromkeys(encoding.inputs, _example(encoding))),
            pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
        )
    return sorted(encoding.needed.values())


def text_model_of(
    config: DictConfig, dataset: Dataset, run_id: str, store: MlflowStore
) -> TextModel:
    """Load the model of a run, which takes raw texts, into this process.

    Args:
        config: The run's config.
        dataset: The data that the run was trained on.
        run_id: Id of the run.
        store: The store of the run.

    Raises:
        NotFoundError: If the run has no checkpoint, or its model can't be loaded.
    """
    with tempfile.TemporaryDirectory() as folder:
        network = Path(folder, NETWORK)
        _network(config, dataset, run_id, store, network)
        needed = _needed(config, network, run_id)
        return TextModel(
            saved_model.load_saved(network, needed), _encoding(config, dataset, needed)
        )


def _needed(config: DictConfig, network: Path, run_id: str) -> dict[str, str]:
    """Return a saved model's own classes and functions; a model without any is loaded to see."""
    keras_runtime.keras()  # without its messages, which `saved_model`, a part of models, would show
    if needed := saved_model.own_objects(network, module_of(config)):
        return needed
    try:
        saved_model.load_saved(network, {})
    except Exception as error:  # whatever Keras raises, as at a Lambda layer
        text = f"the model of run {run_id} can't be loaded: {one_line(error)[:500]}"
        raise NotFoundError(text) from error
    return {}


def _encoding(config: DictConfig, dataset: Dataset, needed: Mapping[str, str]) -> Encoding:
    return Encoding(
        words=dataset.words,
        maxlen=dataset.maxlen,
        split=config.data.split,
        classes=dataset.classes,
        output=kind_of_output(config, dataset),
        needed=needed,
        lengths=list(dataset.lengths),
        inputs=_inputs(config),
    )


def _inputs(config: DictConfig) -> list[str]:
    """Return the names of the columns of texts; those of sources without names get one."""
    text = config.data.get("text") or TEXT
    return list(map(str, text)) if OmegaConf.is_list(text) else [str(text)]


def _network(
    config: DictConfig, dataset: Dataset, run_id: str, store: MlflowStore, target: Path
) -> None:
    checkpoint = store.tag(run_id, Tags.CHECKPOINT)
    if checkpoint is None:
        raise NotFoundError(f"run {run_id} has no checkpoint")
    if checkpoint.endswith(WEIGHTS):
        network = build(config.copy(), dataset)
        load(network, run_id, store)
        network.save(target)
        return
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(store.download(run_id, checkpoint, Path(folder)), target)


def _copy_code(folder: Path) -> Path:
    """Copy the modules that a model needs into a package with a hash of their text in its name.

    Two models with different versions of the modules can be loaded into one process then.

    Returns:
        The package's folder.
    """
    modules = (text_model, data_encoding, saved_model, outputs)
    sources = [Path(str(module.__file__)) for module in modules]
    digest = sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    package = folder / f"rnnexp_text_model_{digest[:8]}"
    for source in sources:
        target = package / source.relative_to(sources[0].parents[1])
        target.parent.mkdir(parents=True, exist_ok=True)
        for folder_of_code in (package, target.parent):
            (folder_of_code / "__init__.py").touch()
        shutil.copy(source, target)
    return package


def _example(encoding: Encoding) -> Sequence[str]:
    """Make two texts of the most frequent words."""
    join = "" if encoding.split == "character" else " "
    return [join.join(encoding.words[:5]), join.join(encoding.words[5:10])]
