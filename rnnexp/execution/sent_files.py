"""The files of a config, which a sweep sends to machines that can't see them.

    sweep's process          Dask's scheduler        a worker
    offer: pieces, zipped -> keeps them in memory -> FilesHere: what its machine lacks -> the cache

Dask sets the plugin up on every worker before the worker's first task, also on workers that join
later. Of the workers of one machine the first writes a file, and the others find it there.
"""

import asyncio
import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from distributed import Client, Worker, WorkerPlugin

from rnnexp.data import cache
from rnnexp.identity import digest

PIECE = 8 * 2**20  # bytes
MOST = 2**30  # bytes of all files, which Dask's scheduler keeps in its memory


@dataclass(frozen=True)
class SentFile:
    """A file whose pieces Dask's scheduler has.

    Attributes:
        path: The path on the sweep's machine, absolute.
        digest: The SHA-256 of the content.
        n_pieces: The number of pieces.
    """

    path: str
    digest: str
    n_pieces: int


def size_problem(paths: Sequence[str]) -> str | None:
    """Return why files can't be sent; None if they can."""
    sizes = {path: Path(path).stat().st_size for path in paths}
    if sum(sizes.values()) <= MOST:
        return None
    each = ", ".join(f"{path} {size / 2**20:,.0f} MB" for path, size in sizes.items())
    return (
        f"hydra.launcher.send_data=true: the files ({each}) are more than {MOST // 2**20:,} MB, "
        "too much for the memory of Dask's scheduler; put them on storage that all machines "
        "share, and leave send_data out"
    )


def offer(client: Client, name: str, paths: Sequence[str]) -> None:
    """Give files to a scheduler, and let all workers fetch what their machines lack.

    Args:
        client: A client of the cluster.
        name: The name of the plugin, and of the pieces on the scheduler.
        paths: The files, absolute.

    Raises:
        OSError: If a file can't be read here, or written on a worker's machine.
    """
    files = []
    for path in paths:
        content, number = hashlib.sha256(), 0
        for piece in _pieces(Path(path)):
            content.update(piece)
            client.set_metadata([name, path, number], zlib.compress(piece, 1))
            number += 1
        files.append(SentFile(path, content.hexdigest(), number))
    client.register_plugin(FilesHere(name, files))


def withdraw(client: Client, name: str) -> None:
    """Let the scheduler forget the files; those on the workers' machines stay in their caches."""
    client.unregister_worker_plugin(name)
    client.set_metadata([name], None)


class FilesHere(WorkerPlugin):
    """The files of a sweep on one worker's machine.

    Args:
        name: The name of the plugin, and of the pieces on the scheduler.
        files: The files.

    Attributes:
        places: The paths on this machine, by the paths on the sweep's.
    """

    def __init__(self, name: str, files: Sequence[SentFile]) -> None:
        self.name = name
        self.places: dict[str, str] = {}
        self._files = files

    async def setup(self, worker: Worker) -> None:
        """Fetch the files that this machine lacks."""
        loop = asyncio.get_running_loop()

        def fetch(path: str, number: int) -> bytes:
            answer = worker.scheduler.get_metadata(keys=[self.name, path, number])
            return bytes(asyncio.run_coroutine_threadsafe(answer, loop).result())

        # In a thread, since another worker of this process may have to answer meanwhile.
        self.places = await asyncio.to_thread(self._find, fetch)

    def _find(self, fetch: Callable[[str, int], bytes]) -> dict[str, str]:
        return {file.path: str(_here(file, fetch)) for file in self._files}


def _here(file: SentFile, fetch: Callable[[str, int], bytes]) -> Path:
    """Return where a file is on this machine: where the sweep has it, or in the cache."""
    path = Path(file.path)
    with suppress(OSError):  # there is none, or another user's
        if digest(path) == file.digest:
            return path

    def write(folder: Path) -> None:
        content = hashlib.sha256()
        with (folder / path.name).open("wb") as stream:
            for number in range(file.n_pieces):
                piece = zlib.decompress(fetch(file.path, number))
                content.update(piece)
                stream.write(piece)
        if content.hexdigest() != file.digest:
            raise OSError(f"{path} has changed while it was sent; start again")

    return cache.get({"sent": file.digest, "name": path.name}, write) / path.name


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
