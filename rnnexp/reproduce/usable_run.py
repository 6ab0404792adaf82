"""A run whose model is used without another training: its config, its data and its model."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

from hydra.utils import instantiate
from mlflow.entities import Run
from omegaconf import DictConfig

from rnnexp import keras_runtime
from rnnexp.compare.contenders import contenders
from rnnexp.data import Dataset
from rnnexp.data.source import Source
from rnnexp.reproduce.packable import packable_config
from rnnexp.serving.packing import dataset_of, text_model_of
from rnnexp.serving.text_model import TextModel
from rnnexp.storage.mlflow_store import MlflowStore
from rnnexp.storage.run_reader import RunReader


def run_or_best(reader: RunReader, name: str) -> Run:
    """Return a run by its id, as ``STUDY/NUMBER``, or as ``STUDY`` for the best trial.

    Raises:
        NotFoundError: If there is no such run, or more than one.
        QueryError: If no trial of the study is complete.
        SchemaError: If the run has another schema version.
    """
    (contender,) = contenders(reader, [reader.study_or_run(name)])
    return contender.run


@dataclass(frozen=True)
class UsableRun:
    """A run with a model that can be used.

    Attributes:
        run: The run.
        config: The config of the run.
        store: The store of the run.
    """

    run: Run
    config: DictConfig
    store: MlflowStore

    @classmethod
    def of(cls, reader: RunReader, run: Run, *, builds: bool = False) -> Self:
        """Read the config of a run; see `packable_config`."""
        return cls(run, packable_config(reader, run, builds=builds), reader.store)

    @cached_property
    def source(self) -> Source:
        """The source of the data that the run was trained on."""
        source: Source = instantiate(self.config.data)
        return source

    @cached_property
    def dataset(self) -> Dataset:
        """The data that the run was trained on; from here on, Keras has the backend of the run.

        Raises:
            NotFoundError: If the data have changed.
        """
        keras_runtime.choose(self.config.backend, deterministic=self.config.deterministic)
        return dataset_of(self.config, self.run.info.run_id, self.run.data.tags)

    def text_model(self) -> TextModel:
        """Load the model, which takes raw texts; see `text_model_of`."""
        return text_model_of(self.config, self.dataset, self.run.info.run_id, self.store)
