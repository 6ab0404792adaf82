"""What trials on other machines could not see."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import OmegaConf

from rnnexp.errors import ConfigError
from rnnexp.identity import named_files
from rnnexp.sweep.host_checks import host_problems

FIRST = "first.keras"  # a searched checkpoint, of the other trials
SERVERS = {
    "storage": "postgresql+psycopg://u@host/optuna",
    "given_storage": "postgresql+psycopg://u@host/optuna",
    "uri": "http://host:5000",
}
FILES = {
    "storage": "sqlite:////a/optuna.db",
    "given_storage": "sqlite:///optuna.db",
    "uri": "sqlite:////a/mlflow.db",
}


class Elsewhere:
    """Jobs on machines that see the files of some folders alone."""

    def __init__(self, *, sends: bool = False, **sees: list[Path]) -> None:
        self.sees = sees
        self.sends = sends
        self.sent: list[str] = []

    def send(self, paths: Sequence[str]) -> Sequence[str]:
        if any(Path(path).stat().st_size > 9 for path in paths):
            raise ConfigError(["the files are too large"])
        self.sent = [*paths] if self.sends else []
        return self.sent

    def unseen(self, paths: Sequence[str]) -> Mapping[str, Sequence[str]]:
        return {
            host: [path for path in paths if not any(Path(path).is_relative_to(f) for f in folders)]
            for host, folders in self.sees.items()
        }


def look(
    jobs: Elsewhere,
    folder: Path,
    stores: Mapping[str, str],
    artifacts: Path | None = None,
    **config: Any,
) -> tuple[list[str], bool]:
    settings = SimpleNamespace(
        storage=stores["storage"],
        given_storage=stores["given_storage"],
        sweep_dir=folder / "multirun" / "s",
        tracker=lambda: SimpleNamespace(uri=stores["uri"]),
        artifact_folder=lambda: artifacts,
    )
    configs = [OmegaConf.create(config), OmegaConf.create(config | {"checkpoint": FIRST})]
    return host_problems(settings, named_files(configs), jobs)  # type: ignore[arg-type]


def problems(*args: Any, **config: Any) -> list[str]:
    return look(*args, **config)[0]


def test_on_this_machine_all_is_seen(tmp_path: Path) -> None:
    assert problems(Elsewhere(), tmp_path, FILES) == []


def test_servers_and_shared_storage(tmp_path: Path) -> None:
    (tmp_path / "train.csv").touch()
    data = {"train": str(tmp_path / "train.csv"), "test": 0.2}
    assert problems(Elsewhere(b=[tmp_path]), tmp_path, SERVERS, data=data) == []
    assert [file.name for file in tmp_path.iterdir()] == ["train.csv"]


@pytest.mark.parametrize(
    ("stores", "messages"),
    [
        (
            SERVERS | {"storage": FILES["storage"], "given_storage": "sqlite:///optuna.db"},
            ["hydra.sweeper.storage=sqlite:///optuna.db: trials also run on b, c, and a SQLite"],
        ),
        (SERVERS | {"uri": "sqlite:////a/m.db"}, ["tracking.uri=sqlite:////a/m.db: trials also"]),
        (SERVERS | {"uri": "/a/mlruns"}, ["tracking.uri=/a/mlruns: trials also run on b, c; give"]),
    ],
)
def test_stores_of_one_machine(stores: dict[str, str], messages: list[str], tmp_path: Path) -> None:
    found = problems(Elsewhere(c=[tmp_path], b=[tmp_path]), tmp_path, stores)
    assert len(found) == len(messages)
    assert all(map(str.startswith, found, messages))


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    for name in ("train.csv", "vectors.txt", FIRST):
        (tmp_path / name).touch()
    return {
        "data": {"train": str(tmp_path / "train.csv"), "test": "no such file"},
        "model": {"embedding_file": "vectors.txt"},
    }


def test_a_folder_and_files_of_one_machine(tmp_path: Path, config: dict[str, Any]) -> None:
    jobs = Elsewhere(b=[], c=[tmp_path / "train.csv"])
    train, vectors, checkpoint = problems(jobs, tmp_path, SERVERS, **config)
    assert train.startswith(f"data.train={tmp_path}/train.csv: the file is not on b; put")
    assert train.endswith("or give hydra.launcher.send_data=true to send it along")
    assert vectors.startswith(
        f"model.embedding_file={tmp_path}/vectors.txt: the file is not on b, c"
    )
    assert checkpoint.startswith(f"checkpoint={tmp_path}/{FIRST}: the file is not on b, c")


def test_files_that_are_sent(tmp_path: Path, config: dict[str, Any]) -> None:
    jobs = Elsewhere(sends=True, b=[])
    assert problems(jobs, tmp_path, SERVERS, **config) == []
    assert jobs.sent == [str(tmp_path / name) for name in ("train.csv", "vectors.txt", FIRST)]
    (tmp_path / "train.csv").write_text("a,b" * 9)
    assert problems(jobs, tmp_path, SERVERS, **config) == ["the files are too large"]


@pytest.mark.parametrize(
    ("machines", "uri", "uploads", "is_refused"),
    [
        ({}, "http://host:5000", False, False),
        ({"b": True, "c": True}, "http://host:5000", False, False),
        ({"b": True, "c": False}, "http://host:5000", True, False),
        ({"b": True, "c": False}, "https://host", True, False),
        ({"b": True, "c": False}, "postgresql+psycopg://u@host/mlflow", True, True),
        ({"b": True, "c": True}, "postgresql+psycopg://u@host/mlflow", False, False),
    ],
)
def test_a_folder_that_a_machine_cannot_see(
    machines: dict[str, bool], uri: str, uploads: bool, is_refused: bool, tmp_path: Path
) -> None:
    jobs = Elsewhere(**{name: [tmp_path] if sees else [] for name, sees in machines.items()})
    found, uploaded = look(jobs, tmp_path, SERVERS | {"uri": uri})
    assert uploaded is uploads
    assert [text.partition(",")[0] for text in found] == [
        f"hydra.sweep.dir={tmp_path}/multirun/s: c can't see the folder"
    ] * is_refused
    assert all("shared" in text or "an MLflow server" in text for text in found)


@pytest.mark.parametrize(("seen", "is_refused"), [("artifacts", False), ("other", True)])
def test_artifacts_that_each_machine_writes_by_itself(
    seen: str, is_refused: bool, tmp_path: Path
) -> None:
    for name in ("artifacts", "other"):
        (tmp_path / name).mkdir()
    jobs, artifacts = Elsewhere(b=[tmp_path / seen]), tmp_path / "artifacts"
    found, _ = look(jobs, tmp_path, SERVERS, artifacts)
    assert [f"{artifacts}, which b can't see; start the server" in text for text in found] == (
        [True] * is_refused
    )


def test_a_folder_that_cannot_be_written_is_left_to_other_checks(tmp_path: Path) -> None:
    assert look(Elsewhere(b=[tmp_path]), tmp_path, SERVERS, Path("/proc/artifacts"))[0] == []
