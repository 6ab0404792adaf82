"""Files and folders that are whole or not there, also after a crash or a power cut."""

import fcntl
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rnnexp.full_disk import named_if_full

_DRAFT = "draft-"
_NEW = 60  # seconds in which a draft may not have its lock yet
_OLD = 24 * 3600  # seconds after which a draft is abandoned, where locks do not work


def atomic_write(file: Path, content: bytes | str) -> None:
    """Replace a file: write the content next to it, flush it to the disk, rename it.

    Args:
        file: The file; its folder has to be there.
        content: The new content; text is written as UTF-8.

    Raises:
        OSError: If the disk is full, or can't be written; the old file is as it was.
    """
    # A name of its own, since two processes may write the same file.
    draft = file.with_name(f"{file.name}.{os.getpid()}-{threading.get_ident()}.new")
    try:
        with named_if_full(file), draft.open("wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync_folder(file.parent)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Give a draft folder to write into, which is renamed when the block ends.

    If the block raises, the draft is removed. A folder that another process has made in the
    meantime stays, and the draft is removed.

    Args:
        folder: The folder to make; its parent is made if it is missing.

    Yields:
        The draft, an empty folder next to ``folder``.

    Raises:
        OSError: If the draft can't be written or renamed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=_DRAFT))
    draft = scratch / folder.name  # with the usual permissions, which ``scratch`` has not
    draft.mkdir()
    lock = os.open(scratch, os.O_RDONLY)  # held for as long as this process lives
    try:
        with suppress(OSError):  # on a network file system
            fcntl.flock(lock, fcntl.LOCK_EX)
        with named_if_full(folder):
            yield draft
        for file in draft.rglob("*"):
            if file.is_file():
                _sync(file)
        try:
            draft.rename(folder)
        except OSError:
            if not (folder.is_dir() and any(folder.iterdir())):
                raise
        _sync_folder(folder.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        os.close(lock)


def remove_folder(folder: Path) -> None:
    """Remove a folder, so that it is whole or not there.

    Raises:
        OSError: If the folder can't be renamed; it is as it was.
    """
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=_DRAFT))
    try:
        folder.rename(scratch / folder.name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def remove_abandoned(folder: Path) -> None:
    """Remove the drafts in a folder whose processes were killed."""
    for scratch in folder.glob(f"{_DRAFT}*"):
        with suppress(OSError), removal_lock(scratch, _NEW, _OLD) as is_free:
            if is_free:
                shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def removal_lock(folder: Path, new: float, old: float) -> Iterator[bool]:
    """Try to lock a folder that is to be removed if no process uses it.

    Args:
        folder: The folder, which processes that use it have locked.
        new: The number of seconds for which a folder is in use, whether it is locked or not.
        old: The number of seconds after which a folder is not in use any more, where folders can't
            be locked, as on some network file systems.

    Yields:
        Whether the folder is in use by nobody.

    Raises:
        OSError: If the folder is gone, or can't be read.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        age = time.time() - os.fstat(descriptor).st_mtime
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_free = age >= new
        except BlockingIOError:
            is_free = False
        except OSError:
            is_free = age >= old
        yield is_free
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Flush a rename to the disk, where folders can be opened."""
    if os.name == "posix":
        _sync(folder)
