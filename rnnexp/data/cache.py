"""A cache of encoded data on disk, so that the same data are encoded once.

After data were encoded, data that nobody has read for long are removed, and then the data that were
read longest ago, until the rest is small enough. A process locks the data that it reads until it
ends, so that data in use stay.
"""

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rnnexp.atomic import atomic_folder, removal_lock, remove_abandoned, remove_folder
from rnnexp.cache_folder import cache_folder

# Raised when the encoding changes, so that arrays of the old encoding are not read.
FORMAT = 2
_META = "meta.json"
MAX_AGE = 30 * 24 * 3600  # seconds after which data that nobody reads are removed
MAX_BYTES = 20 * 2**30  # of all data; data beyond are removed
_in_use: dict[Path, int] = {}  # locked folders, and their descriptors


def get(key: Mapping[str, object], encode: Callable[[Path], None]) -> Path:
    """Return the folder of the data with a key; encode the data if there is none.

    Args:
        key: All that the data depend on, as JSON can hold it.
        encode: Writes the data into an empty folder.

    Returns:
        The folder, which is complete. Of several processes of a machine one encodes, and the
        others wait; where files can't be locked, all of them encode, and one wins.

    Raises:
        OSError: If the cache can't be written.
        Exception: Whatever ``encode`` raises; the cache is as it was then.
    """
    text = json.dumps({"format": FORMAT, **key}, sort_keys=True)
    folder = cache_folder() / hashlib.sha256(text.encode()).hexdigest()[:32]
    if not _use(folder):
        remove_abandoned(folder.parent)
        with _alone(folder):
            while not _use(folder):
                with atomic_folder(folder) as draft:
                    encode(draft)
        evict(folder.parent)
    return folder


def evict(folder: Path, max_age: float = MAX_AGE, max_bytes: int = MAX_BYTES) -> None:
    """Remove data that no process uses: what is too old, then what is read least recently.

    Args:
        folder: The folder of the cache.
        max_age: The seconds after which data that were not read are removed.
        max_bytes: The size of all data that may stay.
    """
    found = []
    for entry in folder.glob("?" * 32):
        with suppress(OSError):  # another process has removed the data
            size = sum(file.stat().st_size for file in entry.iterdir())
            found.append((entry.stat().st_mtime, size, entry))
    total = sum(size for _, size, _ in found)
    for used, size, entry in sorted(found):
        if time.time() - used > max_age or total > max_bytes:
            with suppress(OSError), removal_lock(entry, new=0, old=max_age) as is_free:
                if is_free:
                    remove_folder(entry)
                    total -= size


def _use(folder: Path) -> bool:
    """Lock data until this process ends, and note that they are read now.

    Returns:
        False if there are no such data.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return False
    with suppress(OSError):  # a network file system, or a cache of another user
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        os.utime(folder)
    try:
        is_there = os.path.samestat(os.fstat(descriptor), folder.stat())
    except FileNotFoundError:  # removed before it was locked
        is_there = False
    held = _in_use.pop(folder, None)
    if held is not None:
        os.close(held)
    if is_there:
        _in_use[folder] = descriptor
    else:
        os.close(descriptor)
    return is_there


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let the other processes of this machine that want the same data wait for this one."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    file = folder.with_name(f"{folder.name}.lock")
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with suppress(OSError):  # a network file system
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        # Those who wait for the removed file find the data, or encode what this process could not.
        file.unlink(missing_ok=True)
        os.close(descriptor)


def write_meta(folder: Path, meta: Mapping[str, object]) -> None:
    """Store a description of the arrays in their folder, as JSON."""
    (folder / _META).write_text(json.dumps(meta, ensure_ascii=False), encoding="utf-8")


def read_meta(folder: Path) -> dict[str, Any]:
    """Read what `write_meta` stored."""
    meta: dict[str, Any] = json.loads((folder / _META).read_text(encoding="utf-8"))
    return meta
