"""The folders of a sweep's trials, checked before trial 0."""

from collections.abc import Callable
from pathlib import Path, PurePath

import optuna

from rnnexp.storage.schema import Files, StudyAttrs
from rnnexp.storage.trial_folder import owner_of, taken
from rnnexp.sweep.settings import SweepSettings


def subdir_problems(subdir: str) -> list[str]:
    """Return what is wrong with ``hydra.sweep.subdir``; empty if nothing is wrong."""
    given = f"hydra.sweep.subdir={subdir}"
    if "${" not in subdir:
        return [
            f"{given}: every trial needs a folder of its own, in which it is backed up; give a "
            "name with ${hydra.job.num} in it"
        ]
    if PurePath(subdir).is_absolute() or ".." in PurePath(subdir).parts:
        return [
            f"{given}: the folders of trials are below hydra.sweep.dir, where queued writes and "
            "backups are found again; give a relative name, and the folder as hydra.sweep.dir"
        ]
    return []


def folder_problems(
    settings: SweepSettings, subdir_of: Callable[[int], str | None], study: optuna.Study | None
) -> list[str]:
    """Return why a trial to come can't use its folder: another study has a trial there.

    Args:
        settings: The settings of the sweep.
        subdir_of: Returns a trial's folder below the sweep's, by its number; None if only the
            trial's job knows.
        study: The study to resume; None for a new study.
    """
    attrs = study.user_attrs if study else {}
    first = len(study.get_trials(deepcopy=False)) if study else 0
    subdir = subdir_of(first)
    if subdir is None:
        return []
    sweep_dir = Path(attrs.get(StudyAttrs.FOLDER, settings.sweep_dir))
    # The first trial's folder may have been deleted, and the second's be there.
    found = sweep_dir.glob("/".join(["*" for _ in PurePath(subdir).parts] + [Files.TRIAL]))
    owners = [(owner, file.parent) for file in found if (owner := owner_of(file.parent))]
    for owner, folder in sorted(owners, key=lambda item: item[0].trial):
        is_own = study is not None and owner.study_run == attrs.get(StudyAttrs.RUN_ID)
        is_to_come = owner.trial >= first and sweep_dir / str(subdir_of(owner.trial)) == folder
        if is_to_come and not is_own:
            return [f"hydra.sweep.dir={settings.sweep_dir}: {taken(folder, owner)}"]
    return []
