"""What a study has in MLflow: its run and the nested runs, its models and their versions."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlflow.entities import LifecycleStage, LoggedModel, Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from rnnexp.storage.run_reader import search_runs


@dataclass(frozen=True)
class StudyRuns:
    """What a study has in MLflow, without what was deleted there.

    Attributes:
        client: MLflow's client of the store.
        run: The study's run; None if the run was deleted.
        nested: The runs nested in it: of trials and of confirmations.
        models: The models that are logged on the study's run.
        versions: The versions in the registry that were made from the study's run.
    """

    client: MlflowClient
    run: Run | None
    nested: Sequence[Run] = ()
    models: Sequence[LoggedModel] = ()
    versions: Sequence[ModelVersion] = ()

    @property
    def runs(self) -> list[Run]:
        """The nested runs, and last the study's own run."""
        return [*self.nested, *([self.run] if self.run else [])]

    def versions_in_use(self) -> list[str]:
        """Return the versions that have an alias, each with its aliases, for people."""
        return [
            f"version {version.version} of {version.name} ({', '.join(aliases)})"
            for version in self.versions
            if (aliases := _aliases(self.client, version))
        ]


def study_runs(client: MlflowClient, run_id: str) -> StudyRuns:
    """Find what a study has in MLflow.

    Args:
        client: MLflow's client of the store.
        run_id: Id of the study's run, which may have been deleted, but not removed for good.
    """
    run = client.get_run(run_id)
    experiment = run.info.experiment_id
    nested = search_runs(client, [experiment], f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run_id}'")
    return StudyRuns(
        client,
        None if run.info.lifecycle_stage == LifecycleStage.DELETED else run,
        nested,
        client.search_logged_models([experiment], f"source_run_id = '{run_id}'"),
        client.search_model_versions(f"run_id = '{run_id}'"),
    )


def versions_of(client: MlflowClient, name: str) -> list[ModelVersion]:
    """Return the versions of a registered model; none if there is no model of that name."""
    quote = '"' if "'" in name else "'"
    found: list[ModelVersion] = client.search_model_versions(f"name = {quote}{name}{quote}")
    return found


def is_registered(client: MlflowClient, name: str) -> bool:
    """Return whether there is a registered model of a name, which may have no version."""
    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    return True


def _aliases(client: MlflowClient, version: ModelVersion) -> list[str]:
    whole = client.get_model_version(version.name, str(version.version))
    return list(whole.aliases)
