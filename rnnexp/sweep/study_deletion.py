"""The deletion of a study: what it has in folders, in MLflow and in Optuna, in this order.

What is found by the study's attributes goes first, and the study in Optuna last, so that the same
command finishes what was interrupted. MLflow keeps what is deleted there until ``mlflow gc``.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import optuna
from optuna.storages import BaseStorage

from rnnexp.formatting import format_size
from rnnexp.storage.mlflow_store import MlflowStore
from rnnexp.storage.schema import Artifacts, Files, Kind, StudyAttrs, Tags
from rnnexp.storage.study_runs import StudyRuns, study_runs, versions_of
from rnnexp.storage.trial_folder import folders_of, owner_of
from rnnexp.storage.ui_view import TAG as VIEW
from rnnexp.sweep.heartbeat import live_sweeps


@dataclass(frozen=True)
class Deletion:
    """A study to delete.

    Attributes:
        study: The study.
        store: The store of the study's runs.
        storage: Optuna's storage, which has the study.
        with_champion: Whether versions of registered models that have an alias go as well.
    """

    study: optuna.Study
    store: MlflowStore
    storage: BaseStorage
    with_champion: bool = False

    @cached_property
    def runs(self) -> StudyRuns | None:
        """What the study has in MLflow; None if it has no run there."""
        run_id = self._run_id
        return study_runs(self.store.client(), run_id) if run_id else None

    @property
    def _run_id(self) -> str | None:
        found: str | None = self.study.user_attrs.get(StudyAttrs.RUN_ID)
        return found

    def problems(self) -> list[str]:
        """Return why the study can't be deleted; empty if it can be."""
        name = self.study.study_name
        if live_sweeps(self.study):
            return [f"a sweep of study {name} is running; end it first, as with Ctrl-C"]
        in_use = self.runs.versions_in_use() if self.runs and not self.with_champion else []
        if in_use:
            return [
                f"study {name} has made {', '.join(in_use)} in MLflow's registry: give the alias "
                "to another version, or delete this one as well with --champion"
            ]
        return []

    @cached_property
    def folders(self) -> list[Path]:
        """The folders of the study's trials and confirmations, as far as this machine sees them."""
        if self._sweep_folder is None or not self._sweep_folder.is_dir():
            return []
        found = folders_of(self.study.study_name, self._run_id, self._sweep_folder)
        for run in self.runs.nested if self.runs else ():
            folder = Path(run.data.tags.get(Tags.FOLDER, "/"))
            is_below = self._sweep_folder in folder.parents
            if run.data.tags.get(Tags.KIND) == Kind.CONFIRMATION and is_below and folder.is_dir():
                found.append(folder)
        return found

    @property
    def _sweep_folder(self) -> Path | None:
        folder = self.study.user_attrs.get(StudyAttrs.FOLDER)
        return Path(folder) if folder else None

    @property
    def _is_shared(self) -> bool:
        """Whether another study has trials in the sweep's folder."""
        folder = self._sweep_folder
        files = folder.glob(f"*/**/{Files.TRIAL}") if folder else ()
        return any(file.parent not in self.folders and owner_of(file.parent) for file in files)

    def lines(self) -> Iterator[str]:
        """Describe what would go, a line for each place."""
        number = len(self.study.get_trials(deepcopy=False))
        yield f"study {self.study.study_name}: {number} trials in Optuna"
        if self.runs and self.runs.runs:
            yield f"{len(self.runs.runs)} runs in {self.store.uri}"
        if self.runs and self.runs.models:
            names = ", ".join(model.name or model.model_id for model in self.runs.models)
            yield f"{len(self.runs.models)} logged models: {names}"
        for version in self.runs.versions if self.runs else ():
            yield f"version {version.version} of the registered model {version.name}"
        if self.folders:
            files = [f for folder in self.folders for f in folder.rglob("*") if f.is_file()]
            size = format_size(sum(file.stat().st_size for file in files))
            yield f"{len(self.folders)} folders below {self._sweep_folder}, {size}"

    def delete(self) -> None:
        """Delete the study; the same call finishes what was interrupted."""
        if self._sweep_folder and self._sweep_folder.is_dir():
            self._delete_folders(self._sweep_folder)
        if self.runs:
            _delete_runs(self.runs)
        if self._run_id:
            self._delete_view(self._run_id)
        optuna.delete_study(study_name=self.study.study_name, storage=self.storage)

    def _delete_folders(self, sweep_folder: Path) -> None:
        is_shared = self._is_shared
        for folder in self.folders:
            _delete_folder(folder)
            _delete_if_empty(folder.parent, sweep_folder)
        if not is_shared:
            for file in _files_of_sweep(sweep_folder):
                file.unlink()
                _delete_if_empty(file.parent, sweep_folder)
        if not any(sweep_folder.iterdir()):
            sweep_folder.rmdir()

    def _delete_view(self, run_id: str) -> None:
        client = self.store.client()
        experiment = client.get_experiment(client.get_run(run_id).info.experiment_id)
        if f"{VIEW}{run_id}" in experiment.tags:
            client.delete_experiment_tag(experiment.experiment_id, f"{VIEW}{run_id}")


def _delete_runs(runs: StudyRuns) -> None:
    for version in runs.versions:
        runs.client.delete_model_version(version.name, str(version.version))
        if not versions_of(runs.client, version.name):
            runs.client.delete_registered_model(version.name)
    for model in runs.models:
        runs.client.delete_logged_model(model.model_id)
    for run in runs.runs:
        runs.client.delete_run(run.info.run_id)


def _delete_folder(folder: Path) -> None:
    """Delete a folder, and last the file that says whose it is."""
    for path in folder.iterdir():
        if path.name != Files.TRIAL:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    shutil.rmtree(folder)


def _delete_if_empty(folder: Path, top: Path) -> None:
    """Delete a folder below another one, and those above, if there is nothing in them."""
    while top in folder.parents and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _files_of_sweep(folder: Path) -> list[Path]:
    """Return what a sweep has written into its folder, next to the folders of trials."""
    names = (
        f"{Files.REPORT}/{Artifacts.REPORT}", Files.RESULTS, f"*{Files.OUTBOX}",
        f"*{Files.REFUSED}", f"*.{Files.MARK}", f"*{Files.UNREADABLE}",
    )  # fmt: skip
    return [path for name in names for path in folder.glob(name)]
