"""Datasets as the inputs of a run in MLflow: the UI's column Datasets, and filters by them."""

from collections.abc import Mapping, Sequence

from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from rnnexp.storage.error_kinds import ErrorKind, kind_of


def log_inputs(client: MlflowClient, run_id: str, datasets: Sequence[Mapping[str, str]]) -> None:
    """Store the datasets of a run, in one request; those that the run has already stay.

    Args:
        client: MLflow's client of the store.
        run_id: The run.
        datasets: Datasets as of `rnnexp.data.run_datasets.datasets_of`.

    Raises:
        MlflowException: If MLflow can't be reached, or refuses the datasets.
    """
    inputs = [_input(dict(dataset)) for dataset in datasets]
    try:
        client.log_inputs(run_id, inputs)
    except MlflowException as error:
        if kind_of(error) is not ErrorKind.PERMANENT:
            raise
        # Another run has made one of the datasets at the same moment, which is found now.
        client.log_inputs(run_id, inputs)


def _input(dataset: dict[str, str]) -> DatasetInput:
    context = dataset.pop("context")
    return DatasetInput(Dataset(**dataset), [InputTag(MLFLOW_DATASET_CONTEXT, context)])
