"""A new name for a study: in Optuna, in MLflow, and in the folders of its trials.

    the copy in Optuna, under the new name -> MLflow -> the folders -> the study under its old name

Each step can be done again. The study of the old name is deleted last, so that the same command
finishes what another process has begun. Folders keep their names, since runs and queued writes name
their paths.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import optuna
from mlflow.tracking import MlflowClient

from rnnexp.search.study_definition import searched_keys
from rnnexp.storage.mlflow_store import MlflowStore
from rnnexp.storage.optuna_store import objectives_of, open_storage, study_names
from rnnexp.storage.outbox import deliver_all
from rnnexp.storage.registry import name_problem
from rnnexp.storage.schema import ModelTags, StudyAttrs, StudyNames, Tags
from rnnexp.storage.study_copy import copy_study, whole
from rnnexp.storage.study_runs import StudyRuns, is_registered, study_runs, versions_of
from rnnexp.storage.trial_folder import folders_of, rename
from rnnexp.storage.ui_view import save_view
from rnnexp.sweep.heartbeat import live_sweeps


@dataclass(frozen=True)
class Renaming:
    """A new name for a study.

    Attributes:
        study: The study, under its old name.
        new: The new name.
        url: The URL of Optuna's storage, absolute.
        store: The store of the study's runs.
    """

    study: optuna.Study
    new: str
    url: str
    store: MlflowStore

    @property
    def moves_model(self) -> bool:
        """Whether the registered model has the study's name, and gets the new one as well."""
        return bool(self.study.user_attrs.get(StudyAttrs.MODEL_NAME) == self.study.study_name)

    def problems(self) -> list[str]:
        """Return why the study can't have the name; empty if it can."""
        old, new = self.study.study_name, self.new
        if not new.strip() or new.endswith(StudyNames.DRAFT):
            return [f"{new!r} can't be the name of a study; give another"]
        if live_sweeps(self.study):
            return [f"a sweep of study {old} is running; rename the study at its end"]
        if new in study_names(self.url) and not is_copy(new, self.url, of=self.study):
            return [f"there is a study {new} in {self.url} already; give another name"]
        return self._model_problems() if self.moves_model else []

    def _model_problems(self) -> list[str]:
        old, new = self.study.study_name, self.new
        run_id = self.study.user_attrs.get(StudyAttrs.RUN_ID)
        if run_id is None:
            return []
        client = self.store.client()
        versions = versions_of(client, old)
        if not versions:
            return []
        if any(version.run_id != run_id for version in versions):
            return [
                f"the registered model {old} has versions of other studies as well, so that it "
                "can't take the new name"
            ]
        if problem := name_problem(new):
            return [f"the registered model {old} can't be renamed: {new}: {problem}"]
        if is_registered(client, new):
            return [f"there is a registered model {new} already; give another name"]
        return []

    def rename(self) -> list[str]:
        """Rename the study; the same call finishes what was interrupted.

        Returns:
            What was done, for people.
        """
        done = [f"study {self.study.study_name} is now {self.new}"]
        old, new, storage = self.study.study_name, self.new, open_storage(self.url)
        attrs = self.study.user_attrs
        if folder := attrs.get(StudyAttrs.FOLDER):
            deliver_all(Path(folder))
        copy_study(
            storage, old, new, attrs={StudyAttrs.MODEL_NAME: new} if self.moves_model else {}
        )
        if run_id := attrs.get(StudyAttrs.RUN_ID):
            client = self.store.client()
            _rename_runs(study_runs(client, run_id), new)
            self._rename_view(client, run_id, attrs)
            if self.moves_model and versions_of(client, old):
                client.rename_registered_model(old, new)
                done.append(f"its registered model is now models:/{new}")
        if folder:
            for each in folders_of(old, run_id, Path(folder)):
                rename(each, new)
        optuna.delete_study(study_name=old, storage=storage)
        whole(storage, new)
        return done

    def _rename_view(self, client: MlflowClient, run_id: str, attrs: Mapping[str, object]) -> None:
        definition = attrs.get(StudyAttrs.DEFINITION)
        run = client.get_run(run_id)
        objectives = objectives_of(self.study)
        keys = searched_keys(definition) if isinstance(definition, dict) else {}
        save_view(
            client, self.store.attach(run_id, run.info.experiment_id), self.new, keys, objectives
        )


def _rename_runs(runs: StudyRuns, new: str) -> None:
    for run in runs.runs:
        runs.client.set_tag(run.info.run_id, Tags.STUDY, new)
    for model in runs.models:
        runs.client.set_logged_model_tags(model.model_id, {ModelTags.STUDY: new})
    for version in runs.versions:
        runs.client.set_model_version_tag(version.name, str(version.version), ModelTags.STUDY, new)
    if runs.run:
        runs.client.update_run(runs.run.info.run_id, name=new)


def is_copy(name: str, url: str, *, of: optuna.Study) -> bool:
    """Return whether a study is what an interrupted renaming of another one has left.

    Args:
        name: The study's name.
        url: The URL of Optuna's storage, absolute.
        of: The other study.
    """
    found = optuna.load_study(study_name=name, storage=open_storage(url))
    if not found.user_attrs:  # a copy begins with its mark, but the process may have died before
        return not found.get_trials(deepcopy=False)
    own = {"name": of.study_name, "run": of.user_attrs.get(StudyAttrs.RUN_ID)}
    return bool(found.user_attrs.get(StudyAttrs.COPY_OF) == own)


def finished_copy(old: str, new: str, url: str) -> bool:
    """Finish a renaming that was interrupted after the study of the old name was deleted.

    Args:
        old: The old name.
        new: The new name.
        url: The URL of Optuna's storage, absolute.

    Returns:
        Whether there was one.
    """
    names = study_names(url)
    if old in names or new not in names:
        return False
    storage = open_storage(url)
    mark = optuna.load_study(study_name=new, storage=storage).user_attrs.get(StudyAttrs.COPY_OF)
    if not mark or mark["name"] != old:
        return False
    whole(storage, new)
    return True
