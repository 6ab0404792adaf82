"""A cache of encoded data on disk, so that the same data are encoded once."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import platformdirs

from rnnexp.atomic import atomic_folder

# Raised when the encoding changes, so that arrays of the old encoding are not read.
FORMAT = 2
_META = "meta.json"


def root() -> Path:
    """Return this project's folder in the user's cache folder."""
    return Path(platformdirs.user_cache_dir("rnnexp"))


def get(key: Mapping[str, object], encode: Callable[[Path], None]) -> Path:
    """Return the folder of the data with a key; encode the data if there is none.

    Args:
        key: All that the data depend on, as JSON can hold it.
        encode: Writes the data into an empty folder.

    Returns:
        The folder, which is complete: several processes may encode the same data, and one of them
        wins.

    Raises:
        OSError: If the cache can't be written.
        Exception: Whatever ``encode`` raises; the cache is as it was then.
    """
    text = json.dumps({"format": FORMAT, **key}, sort_keys=True)
    folder = root() / hashlib.sha256(text.encode()).hexdigest()[:32]
    if not folder.exists():
        with atomic_folder(folder) as draft:
            encode(draft)
    return folder


def write_meta(folder: Path, meta: Mapping[str, object]) -> None:
    """Store a description of the arrays in their folder, as JSON."""
    (folder / _META).write_text(json.dumps(meta, ensure_ascii=False), encoding="utf-8")


def read_meta(folder: Path) -> dict[str, Any]:
    """Read what `write_meta` stored."""
    meta: dict[str, Any] = json.loads((folder / _META).read_text(encoding="utf-8"))
    return meta
