"""SQLite files of Optuna and MLflow that are made in advance."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from rnnexp.storage.new_stores import NewStores
from rnnexp.storage.optuna_store import study_names


def tables(file: Path) -> int:
    with closing(sqlite3.connect(file)) as connection:
        (number,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return int(number)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stores(folder: Path) -> NewStores:
    return NewStores(f"sqlite:///{folder}/optuna.db", f"sqlite:///{folder}/mlflow.db")


def test_stores_are_there_only_when_they_are_installed(folder: Path) -> None:
    with stores(folder) as new:
        new.make()
        assert list(folder.iterdir()) == []
        drafts = Path(new._folder.name)
        new.install()
    assert not drafts.exists()
    assert {file.name for file in folder.iterdir()} == {"mlflow.db", "optuna.db"}
    assert tables(folder / "optuna.db") > 10
    before = tables(folder / "mlflow.db")
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    assert client.get_experiment("0").artifact_location == f"{folder}/mlruns/0"
    assert tables(folder / "mlflow.db") == before > 20
    assert study_names(f"sqlite:///{folder}/optuna.db") == []


def test_a_sweep_that_is_refused_leaves_nothing_behind(folder: Path) -> None:
    with pytest.raises(ValueError, match="refused"), stores(folder) as new:
        new.make()
        raise ValueError("refused")
    assert list(folder.iterdir()) == []
    assert not Path(new._folder.name).exists()


def test_a_store_that_is_there_stays(folder: Path) -> None:
    Path("optuna.db").write_bytes(b"earlier")
    with stores(folder) as new:
        new.make()
        Path("mlflow.db").write_bytes(b"another sweep's")
        new.install()
    assert Path("optuna.db").read_bytes() == b"earlier"
    assert Path("mlflow.db").read_bytes() == b"another sweep's"


def test_what_a_deleted_store_has_left_is_not_played_back(folder: Path) -> None:
    Path("optuna.db-journal").write_bytes(b"left")
    with stores(folder) as new:
        new.make()
        new.install()
    assert {file.name for file in folder.iterdir()} == {"mlflow.db", "optuna.db-journal"}


@pytest.mark.parametrize("uri", ["postgresql://host/db", "http://host:1", "sqlite:///no/such/a.db"])
def test_other_stores_are_left_to_whoever_opens_them(folder: Path, uri: str) -> None:
    with NewStores(uri, uri) as new:
        new.make()
        new.install()
    assert list(folder.iterdir()) == []
