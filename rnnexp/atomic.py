"""Files and folders that are whole or not there, also after a crash or a power cut."""

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rnnexp.full_disk import named_if_full


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
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix="draft-"))
    draft = scratch / folder.name  # with the usual permissions, which ``scratch`` has not
    draft.mkdir()
    try:
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
