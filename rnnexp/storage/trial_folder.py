"""The folder of a trial: where it is, whose it is, and the lock of the job that runs in it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rnnexp.errors import RnnexpError
from rnnexp.storage.locks import locked
from rnnexp.storage.schema import Files, TrialAttrs

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Owner:
    """The trial that a folder belongs to, as the folder's file ``trial.json`` says.

    Attributes:
        study: The study's name.
        study_run: Id of the study's run in MLflow, which no other study has.
        trial: The trial's number.
    """

    study: str
    study_run: str | None
    trial: int

    def is_same(self, other: "Owner") -> bool:
        """Return whether both are one trial, of a study that may have been renamed since."""
        if self.study_run and other.study_run:
            return (self.study_run, self.trial) == (other.study_run, other.trial)
        return (self.study, self.trial) == (other.study, other.trial)

    def __str__(self) -> str:
        return f"trial {self.trial} of study {self.study}"


def folder_of(trial: "FrozenTrial", sweep_folder: Path) -> Path:
    """Return the folder of a trial.

    Args:
        trial: The trial; its job has stored the folder, if that is not named by the number.
        sweep_folder: Hydra's folder of the sweep.
    """
    return sweep_folder / str(trial.user_attrs.get(TrialAttrs.FOLDER, trial.number))


def owner_of(folder: Path) -> Owner | None:
    """Return whose a folder is; None if the folder says nothing, as a new one."""
    try:
        return Owner(**json.loads((folder / Files.TRIAL).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # not there, or torn by a power cut
        return None


@contextmanager
def job_in(folder: Path) -> Iterator[None]:
    """Hold the lock of the job that runs in a folder, after an earlier attempt has ended."""
    file = folder / Files.TRIAL
    file.touch()
    with locked(file):
        yield


def claim(folder: Path, owner: Owner) -> None:
    """Write whose a folder is; to be called with its lock.

    Raises:
        RnnexpError: If the folder belongs to another trial, whose files it may hold.
    """
    found = owner_of(folder)
    if found is None:
        _write(folder, owner)
    elif not found.is_same(owner):
        raise RnnexpError(taken(folder, found))


def folders_of(study: str, study_run: str | None, sweep_folder: Path) -> list[Path]:
    """Return the folders below a sweep's that belong to trials of a study.

    Args:
        study: The study's name.
        study_run: Id of the study's run; None if the study has none.
        sweep_folder: Hydra's folder of the sweep, which other studies may have trials in.
    """
    files = sorted(sweep_folder.glob(f"*/**/{Files.TRIAL}"))
    owned = [(file.parent, owner) for file in files if (owner := owner_of(file.parent))]
    return [
        folder for folder, owner in owned if owner.is_same(Owner(study, study_run, owner.trial))
    ]


def rename(folder: Path, study: str) -> None:
    """Write the new name of a study into the folder of one of its trials."""
    with locked(folder / Files.TRIAL):
        if owner := owner_of(folder):
            _write(folder, replace(owner, study=study))


def _write(folder: Path, owner: Owner) -> None:
    # In place, since the file is locked.
    (folder / Files.TRIAL).write_text(json.dumps(asdict(owner)), encoding="utf-8")


def taken(folder: Path, owner: Owner) -> str:
    """Return the message on a folder that belongs to another trial."""
    return (
        f"{folder} is the folder of {owner}, whose files are not mixed with another trial's: give "
        f"another hydra.sweep.dir, resume that study with hydra.sweeper.resume={owner.study}, or "
        "delete the folders of that study"
    )


def lock_of(folder: Path) -> Path:
    """Return what is locked while a job runs in a folder; the folder if no trial's job did."""
    file = folder / Files.TRIAL
    return file if file.exists() else folder
