"""Connections to a host that is cut off: they end within seconds, and nothing arrives late."""

import subprocess
import sys
from collections.abc import Iterator
from functools import partial

import pytest
import sqlalchemy
from sqlalchemy.pool import NullPool

from rnnexp.storage.dead_connections import bounds
from tests.helpers.commands import ROOT
from tests.helpers.network import Network, network
from tests.helpers.postgres import postgres_server
from tests.helpers.processes import SECONDS, WITH_PYTEST, wait_until

LOCK = "LOCK TABLE numbers"
CLIENT = f"""
import sys
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from rnnexp.storage.dead_connections import bounds
from rnnexp.storage.retry import is_transient
with create_engine(sys.argv[1], **bounds(sys.argv[1])).connect() as connection:
    connection.execute(text("{LOCK}"))
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        connection.execute(text("SELECT 1"))
    except OperationalError as error:
        print("transient" if is_transient(error) else error)
"""
SERVER = """
import sys
from socket import create_server
with create_server((sys.argv[1], 7000)) as server:
    print("ready", flush=True)
    connection, _ = server.accept()
    while connection.recv(10**4):
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
"""
WRITER = """
import sys
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request
from rnnexp.storage.dead_connections import bound_http
bound_http()
def ask(**options):
    http_request(get_default_host_creds(sys.argv[1]), "/x", "GET", **options)
ask(timeout=10, max_retries=0)
print("ready", flush=True)
sys.stdin.readline()
try:
    ask(timeout=1, max_retries=0)
except MlflowException:
    print("no answer")
"""
Child = subprocess.Popen[str]


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("postgresql+psycopg://me@host/db", {"connect_timeout": 10, "tcp_user_timeout": 10_000}),
        ("postgresql+psycopg2://me@host/db?connect_timeout=3", {"tcp_user_timeout": 10_000}),
        ("postgresql+asyncpg://me@host/db", {}),
        ("mysql+pymysql://me@host/db", {}),
        ("sqlite:////somewhere/optuna.db", {}),
    ],
)
def test_the_options_of_a_driver(url: str, given: dict[str, int]) -> None:
    arguments = bounds(url).get("connect_args", {})
    names = {"connect_timeout", "tcp_user_timeout"}
    assert {name: arguments[name] for name in names & set(arguments)} == given


@pytest.fixture
def hosts() -> Iterator[Network]:
    with network("one", "two") as built:
        yield built


def started(hosts: Network, host: str, code: str, argument: str) -> Child:
    child = subprocess.Popen(
        [*hosts.within(host), *WITH_PYTEST, sys.executable, "-c", code, argument],
        cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout
    assert child.stdout.readline() == "ready\n"
    return child


def lock(url: str) -> None:
    with sqlalchemy.create_engine(url, poolclass=NullPool).connect() as connection:
        connection.execute(sqlalchemy.text(f"SET lock_timeout = '{SECONDS}s'"))
        connection.execute(sqlalchemy.text(LOCK))


@pytest.mark.slow
def test_neither_a_database_nor_its_client_waits_for_the_other(hosts: Network) -> None:
    with postgres_server(hosts.address("one"), hosts.within("one")) as server:
        with sqlalchemy.create_engine(server.here("optuna"), poolclass=NullPool).begin() as made:
            made.execute(sqlalchemy.text("CREATE TABLE numbers (number INTEGER)"))
        client = started(hosts, "two", CLIENT, f"{server.url}/optuna")
        hosts.cut("two")
        out, _ = client.communicate("\n", timeout=SECONDS)
        assert out == "transient\n"
        lock(server.here("optuna"))


@pytest.mark.slow
def test_what_was_not_sent_in_time_is_never_sent(hosts: Network) -> None:
    """A process that has ended leaves what it has sent to the system, which tries on."""
    server = started(hosts, "one", SERVER, hosts.address("one"))
    writer = started(hosts, "two", WRITER, f"http://{hosts.address('one')}:7000")
    hosts.cut("two")
    out, _ = writer.communicate("\n", timeout=SECONDS)
    assert out == "no answer\n"
    wait_until(partial(has_no_connection, hosts, "two"))
    server.kill()
    server.communicate()


def has_no_connection(hosts: Network, host: str) -> bool:
    command = [*hosts.within(host), "cat", "/proc/net/tcp"]
    sockets = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return f":{7000:04X} " not in sockets
