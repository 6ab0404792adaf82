"""Optuna's storage in a database server, which reads running trials sparingly."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import optuna
import pytest
from optuna.storages import BaseStorage, RDBStorage, get_storage
from optuna.trial import TrialState, create_trial
from sqlalchemy import event

from rnnexp.storage.optuna_store import open_storage, stored_attr
from rnnexp.storage.schema import TrialAttrs
from rnnexp.storage.sparing_storage import SparingStorage
from rnnexp.storage.stored_orders import give_order, read_orders
from tests.helpers.postgres import Postgres, postgres_server

Write = Callable[[BaseStorage, int], object]
SELDOM = 0.01  # two running trials are read anew after 100 seconds


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def url(postgres: Postgres) -> str:
    return f"{postgres.url}/optuna"


@contextmanager
def opened(backend: RDBStorage) -> Iterator[BaseStorage]:
    yield get_storage(backend)
    backend.engine.dispose()


def report(storage: BaseStorage, trial_id: int) -> None:
    storage.set_trial_intermediate_value(trial_id, 0, 0.5)


def tell(storage: BaseStorage, trial_id: int) -> None:
    storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [0.5])


def begin_another(storage: BaseStorage, trial_id: int) -> None:  # noqa: ARG001
    (study,) = storage.get_all_studies()[-1:]
    storage.create_new_trial(study._study_id)


def attr(name: str) -> Write:
    return lambda storage, trial_id: storage.set_trial_user_attr(trial_id, name, "x")


@pytest.mark.parametrize(
    ("n_running", "reads", "write", "is_own", "is_seen"),
    [
        (1, SELDOM, report, False, True),  # it is the only one
        (2, math.inf, report, False, True),
        (2, SELDOM, report, False, False),
        (2, SELDOM, report, True, True),
        (2, SELDOM, attr("other"), False, False),
        (2, SELDOM, attr("other"), True, True),
        (2, SELDOM, attr(TrialAttrs.SWEEP), False, True),
        (2, SELDOM, attr(TrialAttrs.PAUSED), False, True),
        (2, SELDOM, tell, False, True),
        (2, SELDOM, begin_another, False, True),
    ],
)
def test_which_writes_are_seen_at_once(
    url: str, n_running: int, reads: float, write: Write, is_own: bool, is_seen: bool
) -> None:
    with opened(SparingStorage(url, reads=reads)) as own, opened(RDBStorage(url)) as other:
        study = optuna.create_study(storage=own)
        trials = [own.create_new_trial(study._study_id) for _ in range(n_running)]
        before = study.get_trials()
        assert study.get_trials() == before
        write(own if is_own else other, trials[0])
        seen = study.get_trials()
        assert (seen != before) is is_seen
        if is_seen:
            assert seen == other.get_all_trials(study._study_id)


def test_a_look_at_running_trials_is_one_statement(url: str) -> None:
    backend, statements = SparingStorage(url, reads=SELDOM), list[str]()
    with opened(backend) as storage:
        study = optuna.create_study(storage=storage)
        for _ in range(3):
            study.add_trial(create_trial(state=TrialState.RUNNING))
        study.add_trial(create_trial(value=0.5))
        before = study.get_trials()
        event.listen(backend.engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
        assert study.get_trials() == before
    assert len(statements) == 1


def test_an_attribute_is_read_by_one_statement(url: str) -> None:
    backend, statements = SparingStorage(url), list[str]()
    with opened(backend) as storage, opened(RDBStorage(url)) as other:
        trial = optuna.create_study(storage=storage).ask()
        other.set_trial_user_attr(trial._trial_id, "job", ["x", 1])
        event.listen(backend.engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
        assert stored_attr(trial, "job") == ["x", 1]
        assert len(statements) == 1
        assert stored_attr(trial, "no such") is None


def test_orders_are_read_by_one_statement(url: str) -> None:
    backend, statements = SparingStorage(url), list[str]()
    with opened(backend) as storage, opened(RDBStorage(url)) as other:
        study = optuna.create_study(storage=storage)
        elsewhere = optuna.load_study(study_name=study.study_name, storage=other)
        another = optuna.create_study(storage=other)
        elsewhere.set_user_attr("steering", "of another program")
        orders = [give_order(elsewhere, "stop", n, by="rnnexp", who="ann") for n in (None, 7)]
        give_order(another, "pause", 8, by="rnnexp", who="ann")
        event.listen(backend.engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
        assert read_orders(study).given == {"study": orders[0], "7": orders[1]}
    assert len(statements) == 1


def test_a_server_has_such_a_storage(url: str) -> None:
    storage: Any = open_storage(url)
    assert isinstance(storage._backend, SparingStorage)
    storage._backend.engine.dispose()
