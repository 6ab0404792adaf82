"""The parts of the data as MLflow shows them: the datasets of a run."""

import json
from collections.abc import Mapping

from hydra.utils import get_object, instantiate
from omegaconf import DictConfig

from rnnexp.data.dataset import Dataset, Label
from rnnexp.data.source import Source
from rnnexp.data.table_files import digest_of
from rnnexp.errors import DataError
from rnnexp.objective import value_in

# MLflow's word for what a run does with a part.
CONTEXTS = {"train": "training", "validation": "validation", "test": "testing"}
DIGITS = 8  # of the data's fingerprint in a digest, as `rnnexp compare` shows it
TYPES: Mapping[type, str] = {str: "string", int: "long", float: "double"}  # MLflow's names of them

RunDataset = dict[str, str]


def datasets_of(source: Source, dataset: Dataset) -> list[RunDataset]:
    """Describe each part of some data that has rows.

    A name and a digest stand for one dataset in MLflow, so the digest names the part as well: the
    validation part may be of the same file as the training part.

    Args:
        source: The source of the data.
        dataset: The encoded data.

    Returns:
        What MLflow stores of a dataset (``name``, ``digest``, ``source_type``, ``source``,
        ``schema``, ``profile``), and the ``context``, for each part.
    """
    return [
        {
            "name": _name(source, part),
            "digest": f"{dataset.folder.name[:DIGITS]}-{part}",
            "context": context,
            "schema": _schema(source, dataset),
            "profile": _profile(dataset, part),
            **_source(source, part),
        }
        for part, context in CONTEXTS.items()
        if dataset.counts.rows.get(part)
    ]


def datasets_in(config: DictConfig) -> list[RunDataset]:
    """Describe the data of a composed config; to be called where the data are.

    Args:
        config: A trial's config. Another application's may have no data of this project's.
    """
    try:
        kind = get_object(str(value_in(config, "data._target_")))
    except (ImportError, ValueError):
        return []
    if not (isinstance(kind, type) and issubclass(kind, Source)):
        return []
    source: Source = instantiate(config.data)
    try:
        return datasets_of(source, source.load())
    except DataError:  # which the application's own check may allow
        return []


def _name(source: Source, part: str) -> str:
    files = source.files()
    return files.get(part, files["train"]).name if files else type(source).__name__.lower()


def _source(source: Source, part: str) -> RunDataset:
    """Return where a part comes from, in the forms that ``mlflow.data.get_source`` reads."""
    files = source.files()
    if not files:
        kind = f"{type(source).__module__}.{type(source).__name__}"
        return {"source_type": "code", "source": json.dumps({"tags": {"source": kind}})}
    file = files.get(part, files["train"])
    found = {"uri": str(file), "sha256": digest_of(file)}
    return {"source_type": "local", "source": json.dumps(found, ensure_ascii=False)}


def _schema(source: Source, dataset: Dataset) -> str:
    texts, label = source.column_names()
    columns = dict.fromkeys(texts, "string") | {label: _type_of(dataset.classes)}
    spec = [{"name": name, "type": kind} for name, kind in columns.items()]
    return json.dumps({"mlflow_colspec": spec}, ensure_ascii=False)


def _type_of(classes: tuple[Label, ...]) -> str:
    return TYPES[type(classes[0])] if classes else "double"


def _profile(dataset: Dataset, part: str) -> str:
    counts = dataset.counts
    found: dict[str, object] = {"num_rows": counts.rows[part]}
    if part in counts.classes:
        names = map(str, dataset.classes)
        found["classes"] = dict(zip(names, counts.classes[part], strict=True))
    found["maxlen"] = dataset.maxlen
    found["num_words"] = len(dataset.words)
    return json.dumps(found, ensure_ascii=False)
