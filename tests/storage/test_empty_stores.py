"""New stores as copies of empty ones, which the libraries themselves have made."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from optuna.storages import RDBStorage

from rnnexp.cache_folder import cache_folder
from rnnexp.storage import empty_stores
from rnnexp.storage.mlflow_store import MlflowStore
from rnnexp.storage.optuna_store import open_storage

MAKERS: dict[str, Callable[[str], object]] = {"mlflow": MlflowClient, "optuna": RDBStorage}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def schema(file: Path) -> list[tuple[object, ...]]:
    """Return the tables and indexes, with their columns: MLflow orders constraints by chance."""
    query = "SELECT m.type, m.name, c.* FROM sqlite_master m LEFT JOIN pragma_table_info(m.name) c"
    with closing(sqlite3.connect(file)) as connection:
        return sorted(connection.execute(query), key=str)


def refuse(uri: str) -> None:
    raise AssertionError(f"the tables of {uri} are made once more")


def test_a_copy_is_as_the_library_makes_it(folder: Path) -> None:
    for library, make in MAKERS.items():
        for name in ("first", "second"):
            empty_stores.begin(f"sqlite:///{folder}/{library}-{name}.db", library, make)
        own = folder / f"{library}-own.db"
        make(f"sqlite:///{own}")
        assert len(schema(own)) > 20
        assert schema(folder / f"{library}-first.db") == schema(own)
        assert schema(folder / f"{library}-second.db") == schema(own)


def test_the_library_makes_the_tables_once(folder: Path) -> None:
    for library, make in MAKERS.items():
        empty_stores.begin(f"sqlite:///{folder}/{library}.db", library, make)
        empty_stores.begin(f"sqlite:///{folder}/{library}-2.db", library, refuse)
        assert schema(folder / f"{library}-2.db") == schema(folder / f"{library}.db")


def test_another_version_makes_its_own_tables(folder: Path) -> None:
    empty_stores.begin(f"sqlite:///{folder}/a.db", "optuna", RDBStorage)
    (kept,) = cache_folder().rglob("*.db")
    kept.rename(kept.with_name("optuna-0.1.db"))
    empty_stores.begin(f"sqlite:///{folder}/b.db", "optuna", RDBStorage)
    assert {file.name for file in cache_folder().rglob("*.db")} == {kept.name, "optuna-0.1.db"}


def test_each_store_has_its_own_folder_for_artifacts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        client = MlflowStore("sqlite:///mlflow.db").client()
        (default,) = client.search_experiments()
        assert default.experiment_id == "0"
        assert default.artifact_location == f"{tmp_path}/{name}/mlruns/0"
        assert client.create_experiment("rnnexp") == "1"


def test_storages_are_opened(folder: Path) -> None:
    for name in ("a", "b"):
        storage = open_storage(f"sqlite:///{folder}/{name}.db")
        assert storage.get_all_studies() == []


def test_a_file_that_is_there_stays(folder: Path) -> None:
    (folder / "a.db").write_bytes(b"")
    empty_stores.begin(f"sqlite:///{folder}/a.db", "optuna", refuse)
    assert (folder / "a.db").read_bytes() == b""


@pytest.mark.parametrize("left", ["journal", "wal"])
def test_what_a_deleted_store_has_left_is_not_played_back_into_a_copy(
    folder: Path, left: str
) -> None:
    (folder / f"a.db-{left}").write_bytes(b"left")
    empty_stores.begin(f"sqlite:///{folder}/a.db", "optuna", refuse)
    assert not (folder / "a.db").exists()


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://host/db", "http://host:1", "sqlite://", "sqlite:///no/such/folder/a.db",
        "sqlite:///file:a.db?mode=ro&uri=true", "sqlite:///a.db?timeout=1",
    ],
)  # fmt: skip
def test_other_stores_are_left_to_the_library(folder: Path, uri: str) -> None:
    empty_stores.begin(uri, "optuna", refuse)
    assert list(folder.iterdir()) == []


def test_without_a_cache_each_store_is_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nothing")
    empty_stores.begin(f"sqlite:///{folder}/mlflow.db", "mlflow", MlflowClient)
    assert len(schema(folder / "mlflow.db")) > 20
    client = MlflowStore("sqlite:///mlflow.db").client()
    assert [one.name for one in client.search_experiments()] == ["Default"]


def test_what_a_library_raises_leaves_nothing(folder: Path) -> None:
    empty_stores.begin(f"sqlite:///{folder}/a.db", "optuna", refuse)
    assert list(folder.iterdir()) == []
    assert not list(cache_folder().rglob("*.db"))
