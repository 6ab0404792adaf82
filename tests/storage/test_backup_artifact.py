"""A backup goes from folder to folder by way of its run's artifacts, or is reported as lost."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from rnnexp.storage import backup_artifact
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.storage.schema import Artifacts, Files, Tags

Damage = Callable[[Tracker, str, Path], object]


@pytest.fixture
def tracker(tmp_path: Path) -> Tracker:
    return Tracker(f"sqlite:///{tmp_path}/mlflow.db", "test")


@pytest.fixture
def run_id(tracker: Tracker, tmp_path: Path) -> str:
    """A run whose last attempt ran in the folder there, and has uploaded its backup."""
    there = folder_with(tmp_path / "there", "new")
    with tracker.run("a", tags={Tags.FOLDER: there, Tags.HOST: "b"}, params={}) as run:
        backup_artifact.upload(tracker.client(), run.id, there)
    return run.id


def folder_with(folder: Path, text: str) -> Path:
    """A folder of a trial; these files are uploaded, and the next are not."""
    files = {Files.BACKUP, "best.keras", "tables/epochs.csv", "sweep.log"}
    for name in files | {Files.TRIAL, Files.OUTBOX, Files.REFUSED, ".hydra/config.yaml"}:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def content(folder: Path) -> dict[str, str]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): file.read_text() for file in files}


def test_only_what_belongs_to_the_training_goes_along(
    tracker: Tracker, run_id: str, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    backup_artifact.fetch(tracker, run_id, here, is_new=True)
    names = [Files.BACKUP, "best.keras", "sweep.log", "tables/epochs.csv"]
    assert content(here) == dict.fromkeys(names, "new")
    assert backup_artifact.size_of(here) == pytest.approx(12e-6)


@pytest.mark.parametrize(
    ("folder", "is_new", "found"),
    [
        ("here", True, "new"),
        ("here", False, "new"),  # the last attempt ran elsewhere
        ("there", False, "old"),  # the folder has what is newer, or the same
        ("there", True, "new"),  # a folder of the same name on another machine
    ],
)
def test_the_newer_backup_counts(
    tracker: Tracker, run_id: str, tmp_path: Path, folder: str, is_new: bool, found: str
) -> None:
    here = folder_with(tmp_path / folder, "old")
    backup_artifact.fetch(tracker, run_id, here, is_new=is_new)
    assert content(here)[Files.BACKUP] == found
    assert content(here)[Files.TRIAL] == "old"


def archive_of(tracker: Tracker, run_id: str) -> Path:
    return Path(tracker.client().get_run(run_id).info.artifact_uri, Artifacts.BACKUP)


def tear(tracker: Tracker, run_id: str, _: Path) -> None:
    archive = archive_of(tracker, run_id)
    archive.write_bytes(archive.read_bytes()[:-100])


def change(tracker: Tracker, run_id: str, _: Path) -> None:
    archive = archive_of(tracker, run_id)
    archive.write_bytes(archive.read_bytes().replace(b"new", b"new!"[1:], 1))


def lose(tracker: Tracker, run_id: str, _: Path) -> None:
    archive_of(tracker, run_id).unlink()


def delete(tracker: Tracker, run_id: str, _: Path) -> None:
    backup_artifact.delete(tracker.client(), run_id)
    assert not archive_of(tracker, run_id).exists()
    backup_artifact.delete(tracker.client(), run_id)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [(tear, "BadZipFile"), (change, "is torn"), (lose, "No such artifact"), (delete, None)],
)
def test_a_backup_that_cannot_be_had(
    tracker: Tracker,
    run_id: str,
    tmp_path: Path,
    damage: Damage,
    problem: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    damage(tracker, run_id, tmp_path)
    here = tmp_path / "here"
    here.mkdir()
    with caplog.at_level(logging.INFO):
        backup_artifact.fetch(tracker, run_id, here, is_new=True)
    assert content(here) == {}
    own = backup_artifact.__name__
    messages = [record.message for record in caplog.records if record.name == own]
    assert len(messages) == (problem is not None)
    assert all(f"artifacts of run {run_id} can't be had: " in text for text in messages)
    assert all(str(problem) in text for text in messages), messages
