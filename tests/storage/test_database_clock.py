"""The clock by which sweeps on several machines tell one another's age."""

import subprocess
import sys
import time

import optuna
import pytest
from sqlalchemy.pool import NullPool

from rnnexp.storage.database_clock import now
from tests.helpers.commands import ROOT
from tests.helpers.postgres import postgres_server

AHEAD = """
import sys, time
of_this_machine = time.time
time.time = lambda: of_this_machine() + 3600
import optuna
from rnnexp.storage.database_clock import now
print(time.time(), now(optuna.load_study(study_name="s", storage=sys.argv[1])))
"""


def test_a_file_has_the_clock_of_its_machine() -> None:
    before = time.time()
    assert before <= now(optuna.create_study()) <= time.time()


@pytest.mark.slow
def test_a_server_has_one_clock_for_all_machines() -> None:
    with postgres_server() as server:
        url = f"{server.url}/optuna"
        storage = optuna.storages.RDBStorage(url, engine_kwargs={"poolclass": NullPool})
        here = now(optuna.create_study(study_name="s", storage=storage))
        printed = subprocess.check_output([sys.executable, "-c", AHEAD, url], cwd=ROOT)
        own, there = map(float, printed.split())
        assert own > here + 3000
        assert here < there < here + 600
