"""Folders that ``Dataset.save_to_disk`` of Hugging Face's ``datasets`` has written: Arrow files.

A dataset with several splits is a folder with one such folder for each split.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from rnnexp.data import columns
from rnnexp.data.columns import Cells, Columns, Wanted
from rnnexp.data.parquet_files import append
from rnnexp.errors import DataError

STATE, INFO, SPLITS = "state.json", "dataset_info.json", "dataset_dict.json"


def is_dataset(path: Path) -> bool:
    """Return whether a folder is a dataset, or a dataset of several splits."""
    return any((path / name).is_file() for name in (STATE, SPLITS))


def files_of(path: Path, file: str) -> list[Path]:
    """Return the Arrow files of a dataset.

    Args:
        path: The folder.
        file: How messages name the folder.

    Raises:
        DataError: If the folder has several splits, or if its rows are in another order.
    """
    if (path / SPLITS).is_file():
        splits = json.loads((path / SPLITS).read_text(encoding="utf-8"))["splits"]
        shown = " or ".join(f"{path}/{name}" for name in splits)
        raise DataError([f"{file} has several splits; give the folder of one: {shown}"])
    state = json.loads((path / STATE).read_text(encoding="utf-8"))
    if state.get("_indices_data_files"):
        raise DataError(
            [f"{file} is a selection of rows; call flatten_indices() before save_to_disk()"]
        )
    return [path / each["filename"] for each in state["_data_files"]]


def read(path: Path, wanted: Wanted, file: str) -> Columns:
    """Read some columns of a dataset; labels with names become their names.

    Args:
        path: The folder.
        wanted: The columns.
        file: How messages name the folder.

    Raises:
        DataError: If a column is missing, or its cells are neither texts nor numbers.
        OSError: If a file can't be read.
        ValueError: If a file is no Arrow file.
    """
    import pyarrow as pa

    cells, names = Cells(wanted), wanted.names
    for arrow in files_of(path, file):
        with pa.memory_map(str(arrow)) as source, pa.ipc.open_stream(source) as stream:
            found = [stream.schema.names[n] for n in columns.find(names, stream.schema.names, file)]
            for batch in stream:
                append(cells, batch, names, found, file)
    read_columns = cells.columns()
    classes = _classes(path, wanted.label)
    if not classes:
        return read_columns
    labels = [classes[int(text)] if text else text for text in read_columns.labels]
    return replace(read_columns, labels=labels)


def _classes(path: Path, label: str | None) -> list[str]:
    """Return the names of the classes, if the dataset has them."""
    if not (path / INFO).is_file():
        return []
    info: dict[str, Any] = json.loads((path / INFO).read_text(encoding="utf-8"))
    names: list[str] = (info.get("features") or {}).get(label, {}).get("names") or []
    return names
