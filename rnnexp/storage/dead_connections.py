"""Bounds on connections to a machine that was cut off, which the system would keep for hours.

What a process has sent to a store arrives within `LIMIT` seconds or never. Dask gives up a worker
that is silent for 30 seconds, so that no late write of its trial is mixed with those of the trial's
next attempt.
"""

import socket
from typing import Any

LIMIT = 10  # seconds
_PROBES = {"keepalives_idle": LIMIT, "keepalives_interval": LIMIT // 2, "keepalives_count": 2}
_LIBPQ = {"connect_timeout": LIMIT, "tcp_user_timeout": LIMIT * 1000, **_PROBES}
_OF_SERVER = {"user_timeout": LIMIT * 1000, **_PROBES}


def bounds(url: str) -> dict[str, Any]:
    """Return the arguments of SQLAlchemy's ``create_engine`` that bound its connections.

    Args:
        url: The database's URL, whose own options win.
    """
    from sqlalchemy.engine import make_url

    parsed = make_url(url)
    if not url.startswith("postgresql") or parsed.get_driver_name() not in ("psycopg", "psycopg2"):
        return {}
    own = {name: value for name, value in _LIBPQ.items() if name not in parsed.query}
    return {"connect_args": own, "pool_events": [(_bound_server, "connect")]}


def _bound_server(connection: Any, record: object) -> None:  # noqa: ARG001
    """Bound the server's side as well: the transaction of a client that was cut off locks rows.

    PgBouncer refuses connections that ask for this in their options.
    """
    settings = "; ".join(f"SET tcp_{name} = {value}" for name, value in _OF_SERVER.items())
    with connection.cursor() as cursor:
        cursor.execute(settings)
    connection.commit()


def bound_http() -> None:
    """Bound the connections of requests, by which MLflow's client reaches its server."""
    from urllib3.connection import HTTPConnection

    if hasattr(socket, "TCP_USER_TIMEOUT"):
        bound = socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, LIMIT * 1000
        if bound not in HTTPConnection.default_socket_options:
            HTTPConnection.default_socket_options = [*HTTPConnection.default_socket_options, bound]
