"""Queued writes of a run in a file, which is appended to, and rewritten once in a while.

The first line of the file has the store, the run and the writes that were queued when the file was
last rewritten, which have the numbers from 0. Every other line is ``[number, write]`` for a write
that is queued, or ``[number]`` for one that no longer is. A line is on the disk before the next is
written, so only the last can be torn.
"""

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnnexp.atomic import atomic_write
from rnnexp.storage.schema import Files

log = logging.getLogger(__name__)

Entry = dict[str, Any]
_SPARE = 100  # lines that are never worth a rewrite


class WriteQueue:
    """The queued writes of one run.

    Args:
        file: The file, whose writes are read if there is one already; None for no file.
        head: ``uri`` and ``run_id``.
    """

    def __init__(self, file: Path | None, head: Mapping[str, str]) -> None:
        self.entries: dict[int, Entry] = {}  # by number, in order; see `append` and `remove`
        self.file = file
        self._head = head
        self._place = (0, 0)  # inode and size of the file, as far as it is whole
        self._lines = 0
        self._unsaved: list[list[Any]] = []
        self._last = -1
        if file and file.exists():  # from an attempt that died
            saved = read(file)
            if saved and saved["run_id"] != head["run_id"]:
                set_aside(file, f"holds the writes of another run, {saved['run_id']}")
            elif saved:
                self.entries = dict(enumerate(saved["entries"]))
                self._last = len(self.entries) - 1

    @property
    def is_saved(self) -> bool:
        """Whether the file has every change."""
        return not self._unsaved

    @property
    def unsaved(self) -> list[Entry]:
        """The writes that the file lacks."""
        return [line[1] for line in self._unsaved if len(line) > 1 and line[0] in self.entries]

    @property
    def has_file(self) -> bool:
        """Whether the file is there as this queue has left it, but for a torn end."""
        try:
            found = self.file.stat() if self.file else None
        except FileNotFoundError:
            found = None
        return bool(found and found.st_ino == self._place[0] and found.st_size >= self._place[1])

    def append(self, entry: Entry) -> int:
        """Add a write at the end, not yet in the file.

        Returns:
            Its number.
        """
        self._last += 1
        self.entries[self._last] = entry
        self._unsaved.append([self._last, entry])
        return self._last

    def remove(self, number: int) -> None:
        """Take a write off, not yet in the file."""
        del self.entries[number]
        if self._unsaved and self._unsaved[-1][0] == number:
            self._unsaved.pop()  # was never in the file, as most writes
        else:
            self._unsaved.append([number])

    def save(self) -> None:
        """Write the changes to the file; remove the file if nothing is queued.

        Raises:
            OSError: If the disk is full or can't be written; what was in the file still is.
        """
        if not self.file:
            return
        if not self.entries:
            self.file.unlink(missing_ok=True)
        elif self._unsaved:
            is_mostly_removed = self._lines > 2 * len(self.entries) + _SPARE
            if is_mostly_removed or not self.has_file:
                self._rewrite(self.file)
            else:
                self._append(self.file)
        self._unsaved = []

    def _append(self, file: Path) -> None:
        content = "".join(json.dumps(line) + "\n" for line in self._unsaved).encode()
        inode, size = self._place
        with file.open("r+b") as stream:
            stream.truncate(size)  # without what an append left that failed
            stream.seek(size)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        self._place = inode, size + len(content)
        self._lines += len(self._unsaved)

    def _rewrite(self, file: Path) -> None:
        entries = [*self.entries.values()]
        file.parent.mkdir(parents=True, exist_ok=True)  # the job may have run on another machine
        atomic_write(file, json.dumps({**self._head, "entries": entries}) + "\n")
        self.entries = dict(enumerate(entries))
        self._last = len(entries) - 1
        found = file.stat()
        self._place = found.st_ino, found.st_size
        self._lines = len(entries)


def read(file: Path) -> dict[str, Any] | None:
    """Read the queued writes of a run from their file; what is torn is reported.

    Returns:
        ``uri``, ``run_id`` and ``entries``; None if the first line is torn, and the file was set
        aside.

    Raises:
        OSError: If the file can't be opened.
    """
    first, *lines = file.read_bytes().split(b"\n")
    try:
        saved = json.loads(first)
        found = {name: saved[name] for name in ("uri", "run_id", "entries")}
    except (ValueError, KeyError, TypeError):  # empty or cut, as after a power cut
        set_aside(file, "is torn")
        return None
    entries: dict[int, Entry] = dict(enumerate(found["entries"]))
    torn = 0
    for line in filter(None, lines):
        try:
            number, *queued = json.loads(line)
        except (ValueError, TypeError):
            torn += 1
            continue
        if queued:
            entries[number] = queued[0]
        else:
            entries.pop(number, None)
    if torn:
        log.warning(
            "%s ends in a torn line, as after a power cut; %s of its writes can't be made, the "
            "others are", file, torn,
        )  # fmt: skip
    return found | {"entries": [*entries.values()]}


def set_aside(file: Path, problem: str) -> None:
    """Rename a file of queued writes that can't be delivered, so that others can be."""
    aside = file.with_name(file.name + Files.UNREADABLE)
    file.replace(aside)
    log.warning("%s %s; it is kept as %s, and its writes are not made", file, problem, aside.name)
