"""The connection to a Dask cluster, which outlives the cluster's scheduler."""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from distributed import Client, LocalCluster, Security
from distributed.comm.core import connect

from rnnexp.errors import one_line

CONNECT = 5.0  # seconds in which a scheduler has to answer, and a worker has to be there
# Seconds for which the list of the workers is kept: it has a kilobyte of each, and is asked for
# several times a trial.
WORKERS_KEPT = 1.0
Step = Callable[[Client], object]


class Connection:
    """The connection of a sweep to a Dask cluster.

    Args:
        address: The scheduler's address; None to start a cluster on this machine.
        local_workers: The number of workers to start here.

    Attributes:
        address: The scheduler's address, also that of a cluster which was started here.
    """

    def __init__(self, address: str | None, local_workers: int | None) -> None:
        self.address = address
        self._local_workers = local_workers
        self._stack = ExitStack()
        self._client: Client | None = None
        self._scheduler = ""  # the id of the scheduler on which everything is installed
        self._installed: list[tuple[Step, Step]] = []
        self._workers: dict[str, dict[str, Any]] = {}
        self._workers_read = -math.inf

    @property
    def is_open(self) -> bool:
        """Whether there has been a connection."""
        return self._client is not None

    def problem(self) -> str | None:
        """Connect, wait for a first worker, and return why no scheduler can be connected to."""
        try:
            if self.address:
                asyncio.run(_knock(self.address))
            client = self.open()
        except Exception as error:  # whatever another kind of server leads to, or a wrong address
            reason = one_line(error) or f"within {CONNECT:g} seconds"
            return (
                f"hydra.launcher.address={self.address}: no scheduler of Dask answers there "
                f"({reason}); start one with `dask scheduler`"
            )
        with contextlib.suppress(TimeoutError):
            client.wait_for_workers(1, timeout=CONNECT)
        return None

    def open(self) -> Client:
        """Return the client, with a connection to the scheduler.

        Raises:
            OSError: If no scheduler answers.
            ValueError: If the address has no known scheme.
        """
        if self._local_workers and not self.address:
            cluster = LocalCluster(
                n_workers=self._local_workers, threads_per_worker=1, dashboard_address=":0"
            )
            self.address = self._stack.enter_context(cluster).scheduler_address
        if self._client is None or is_gone(self._client):
            self._client = Client(self.address, timeout=CONNECT, set_as_default=False)
            self._stack.callback(self._leave, self._client)
        return self._client

    def install(self, install: Step, remove: Step) -> None:
        """Install something on the cluster, and again whenever the scheduler is started anew.

        Args:
            install: Installs it, given a client.
            remove: Removes it when the connection is closed.

        Raises:
            OSError: If no scheduler answers.
        """
        install(self.client())
        self._installed.append((install, remove))

    def client(self) -> Client:
        """Return the client, connected to a scheduler on which everything is installed.

        Raises:
            OSError: If no scheduler answers.
        """
        client = self.open()
        scheduler = str(_identity(client, n_workers=0)["id"])
        if scheduler != self._scheduler:
            for install, _ in self._installed:
                install(client)
            self._scheduler = scheduler
        return client

    def workers(self) -> dict[str, dict[str, Any]]:
        """Return the workers as they were a moment ago, see `workers_of`.

        Raises:
            OSError: If no scheduler answers.
        """
        if time.monotonic() - self._workers_read >= WORKERS_KEPT:
            self._workers, self._workers_read = workers_of(self.client()), time.monotonic()
        return self._workers

    def close(self) -> None:
        """Remove what was installed, and end a cluster that was started here."""
        self._stack.close()

    def _leave(self, client: Client) -> None:
        with contextlib.suppress(OSError, KeyError):  # a worker that has just joined
            if client.status == "running":
                for _, remove in reversed(self._installed):
                    remove(client)
        client.close()


async def _knock(address: str) -> None:
    """Connect to a scheduler once; Dask's client would wait for ever for one that is silent.

    Raises:
        TimeoutError: If nobody answers.
        Exception: Whatever the answer of another kind of server leads to.
    """
    security = Security().get_connection_args("client")
    async with asyncio.timeout(CONNECT):
        comm = await connect(address, timeout=CONNECT, **security)
    comm.abort()


def is_gone(client: Client) -> bool:
    """Return whether a client has given up, since its scheduler was away for too long."""
    return client.status in ("closing", "closed")


def workers_of(client: Client) -> dict[str, dict[str, Any]]:
    """Return what the scheduler knows of its workers, by their addresses."""
    return dict(_identity(client, n_workers=-1)["workers"])


def _identity(client: Client, n_workers: int) -> Mapping[str, Any]:
    """Ask the scheduler for its id and its workers.

    `Client.scheduler_info` returns what it knew before if the scheduler can't be reached.

    Args:
        client: The client.
        n_workers: The number of workers to be told of; -1 for all.

    Raises:
        OSError: If no scheduler answers.
    """
    if client.scheduler is None:  # the client has given up meanwhile
        raise ConnectionError(f"the connection to {client} is closed")
    answer: Mapping[str, Any] = client.sync(client.scheduler.identity, n_workers=n_workers)
    return answer
