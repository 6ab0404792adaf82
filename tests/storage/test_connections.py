"""Connections to a database server."""

import threading
from typing import Any

import optuna
import pytest
from sqlalchemy import create_engine, text

from rnnexp.storage.connections import advice, engine_options
from rnnexp.storage.dead_connections import bounds
from rnnexp.storage.optuna_store import open_storage
from tests.helpers.postgres import postgres_server

BOUNDS = bounds("postgresql+psycopg://user@host/optuna")
POOL = {"pool_size": 1, "max_overflow": 1, "pool_pre_ping": True}


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("sqlite:////somewhere/optuna.db", {}),
        ("mysql+pymysql://user@host/optuna", POOL),
        ("postgresql+psycopg://user@host/optuna", POOL | BOUNDS),
    ],
)
def test_options(url: str, options: dict[str, Any]) -> None:
    assert engine_options(url) == options


@pytest.mark.parametrize(
    ("problem", "is_advised"),
    [
        ("FATAL: sorry, too many clients already", True),
        ('FATAL: too many connections for role "x"', True),
        ("FATAL: remaining connection slots are reserved for roles with SUPERUSER", True),
        ("(1040, 'Too many connections')", True),
        ("FATAL: no more connections allowed (max_client_conn)", True),
        ("connection refused", False),
    ],
)
def test_advice_when_no_connection_is_left(problem: str, is_advised: bool) -> None:
    assert ("raise max_connections" in advice(problem)) is is_advised


def test_the_threads_of_a_process_share_two_connections() -> None:
    with postgres_server() as server:
        url = f"{server.url}/optuna"
        study = optuna.create_study(study_name="s", storage=open_storage(url))
        together, most = threading.Barrier(5), list[int]()
        engine = create_engine(url)

        def use() -> None:
            together.wait()
            for _ in range(20):
                study.set_user_attr("name", 1)

        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        together.wait()
        with engine.connect() as watcher:
            count = text(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = 'optuna' AND pid <> pg_backend_pid()"
            )
            while any(thread.is_alive() for thread in threads):
                most.append(watcher.execute(count).scalar_one())
                watcher.rollback()
            for thread in threads:
                thread.join()
            kept = watcher.execute(count).scalar_one()
        engine.dispose()
    assert max(most) <= 2
    assert kept == 1
