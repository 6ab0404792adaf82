"""When the backup of a trial is uploaded, and when it is deleted: rules as tables."""

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from mlflow.tracking import MlflowClient
from omegaconf import OmegaConf

from rnnexp.errors import RnnexpError
from rnnexp.execution.uploads import Uploads, uploads_of
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.storage.schema import Files, StudyAttrs, Tags
from rnnexp.storage.write_guard import SupersededError

SERVER, FILE = "http://host:5000", "sqlite:////a/mlflow.db"


@pytest.mark.parametrize(
    ("sweep_dir", "attrs", "uri", "expected"),
    [
        ("/a/s", {}, FILE, (False, False)),
        ("/a/s", {StudyAttrs.FOLDER: "/a/s"}, FILE, (False, False)),
        ("/a/s", {StudyAttrs.FOLDER: "/a/s", StudyAttrs.UPLOADS: True}, SERVER, (True, False)),
        ("/scratch", {StudyAttrs.FOLDER: "/a/s", StudyAttrs.UPLOADS: True}, SERVER, (True, True)),
        ("/scratch", {StudyAttrs.FOLDER: "/a/s"}, SERVER, (True, True)),
        ("/scratch", {StudyAttrs.FOLDER: "/a/s"}, FILE, "this machine can't see the sweep's"),
    ],
)
def test_which_jobs_upload(
    sweep_dir: str, attrs: dict[str, object], uri: str, expected: tuple[bool, bool] | str
) -> None:
    study = optuna.create_study()
    hydra = OmegaConf.create(
        {
            "sweep": {"dir": sweep_dir},
            "runtime": {"output_dir": f"{sweep_dir}/0"},
            "launcher": {"backup": {"seconds": 5, "megabytes": 7}},
        }
    )
    store = SimpleNamespace(uri=uri)
    if isinstance(expected, str):
        with pytest.raises(RnnexpError, match=expected):
            uploads_of(study, attrs, hydra, store)  # type: ignore[arg-type]
        return
    found = uploads_of(study, attrs, hydra, store)  # type: ignore[arg-type]
    assert (found.is_on, found.is_away) == expected
    assert (found.seconds, found.megabytes, found.folder) == (5, 7, Path(sweep_dir, "0"))
    is_stored = study.user_attrs.get(StudyAttrs.UPLOADS, False)
    assert is_stored is (found.is_away and StudyAttrs.UPLOADS not in attrs)


def ends(uploads: Uploads) -> None:
    """End as a trial that is neither paused nor interrupted."""


def is_paused(uploads: Uploads) -> None:
    uploads.upload()


def reports(uploads: Uploads) -> None:
    uploads.after_epoch()


def reports_and_ends(uploads: Uploads) -> None:
    uploads.after_epoch()
    uploads.delete()


def raised(error: type[BaseException]) -> Callable[[Uploads], None]:
    def job(uploads: Uploads) -> None:
        uploads.after_epoch()
        raise error

    return job


def is_superseded(uploads: Uploads) -> None:
    def check() -> None:
        raise SupersededError

    assert uploads.run
    uploads.run.guard.begin(check)
    uploads.after_epoch()


@pytest.mark.parametrize(
    ("job", "is_on", "seconds", "megabytes", "is_uploaded"),
    [
        (ends, True, 0, 1, False),
        (is_paused, True, math.inf, 0, True),
        (is_paused, False, 0, 1, False),
        (reports, True, 0, 1, True),
        (reports, True, 60, 1, False),  # seconds of training between two uploads
        (reports, True, 0, 0, False),
        (reports, False, 0, 1, False),
        (reports_and_ends, True, 0, 1, False),
        (raised(KeyboardInterrupt), True, 60, 0, True),
        (raised(RuntimeError), True, 0, 1, False),  # a trial that has failed
        (is_superseded, True, 0, 1, False),
    ],
)
def test_when_a_backup_is_uploaded(
    job: Callable[[Uploads], None],
    is_on: bool,
    seconds: float,
    megabytes: float,
    is_uploaded: bool,
    tmp_path: Path,
) -> None:
    tracker = Tracker(f"sqlite:///{tmp_path}/mlflow.db", "test")
    folder = tmp_path / "0"
    folder.mkdir()
    (folder / Files.BACKUP).touch()
    (folder / "sweep.log").write_text("2 epochs")
    uploads = Uploads(tracker, folder, is_on, False, seconds, megabytes)
    try:
        with uploads.kept(), tracker.run("a", tags={}, params={}) as run:
            uploads.begin(run)
            job(uploads)
    except (RuntimeError, KeyboardInterrupt):
        pass
    assert (Tags.BACKUP in MlflowClient(tracker.uri).get_run(run.id).data.tags) is is_uploaded
    assert sorted(file.name for file in folder.iterdir()) == [Files.BACKUP, "sweep.log"]


@pytest.mark.parametrize(("is_away", "is_left"), [(True, False), (False, True)])
def test_queued_writes_are_delivered_before_the_job_ends(
    is_away: bool, is_left: bool, tmp_path: Path
) -> None:
    """A queue that an earlier moment left behind is there when the run has ended."""
    tracker = Tracker(f"sqlite:///{tmp_path}/mlflow.db", "test")
    uploads = Uploads(tracker, tmp_path, is_on=True, is_away=is_away)
    outbox = tmp_path / Files.OUTBOX
    with uploads.kept():
        with tracker.run("a", tags={}, params={}) as run:
            uploads.begin(run)
        batch = '{"kind":"batch","metrics":{},"params":{},"tags":{"late":"yes"},"time":0,"step":0}'
        outbox.write_text(
            f'{{"uri": "{tracker.uri}", "run_id": "{run.id}", "entries": [{batch}]}}\n'
        )
    assert outbox.exists() is is_left
    assert ("late" in tracker.client().get_run(run.id).data.tags) is not is_left
