"""Encoded data on disk, found by content: the same data and settings are encoded once."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import platformdirs

FORMAT = 2  # to be raised when encoding changes, so that nobody reads the old arrays
_META = "meta.json"


def root() -> Path:
    """The user's cache folder for this project."""
    return Path(platformdirs.user_cache_dir("rnnexp"))


def get(key: Mapping[str, object], encode: Callable[[Path], None]) -> Path:
    """The folder of the data with this key; encoded now if there is none yet.

    A folder appears whole or not at all: it is written beside its place and renamed.

    Args:
        key: What the data depend on; anything that JSON can hold.
        encode: Writes the data into an empty folder.
    """
    text = json.dumps({"format": FORMAT, **key}, sort_keys=True)
    folder = root() / hashlib.sha256(text.encode()).hexdigest()[:32]
    if folder.exists():
        return folder
    root().mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=root(), prefix="draft-"))
    try:
        encode(draft)
        draft.rename(folder)
    except OSError:
        # Another process was faster: what it wrote is the same.
        if not folder.exists():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def write_meta(folder: Path, meta: Mapping[str, object]) -> None:
    """Store what goes with the arrays."""
    (folder / _META).write_text(json.dumps(meta, ensure_ascii=False), encoding="utf-8")


def read_meta(folder: Path) -> dict[str, Any]:
    """What `write_meta` stored."""
    meta: dict[str, Any] = json.loads((folder / _META).read_text(encoding="utf-8"))
    return meta
