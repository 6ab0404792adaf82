"""The sweeper's settings, typed: ``hydra.sweeper``, read once."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from rnnexp.errors import ConfigError, one_line
from rnnexp.search.dimension import Value
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.storage.optuna_store import newest_study
from rnnexp.storage.uris import absolute_uri

LATEST = "latest"


@dataclass(frozen=True)
class SweepSettings:
    """What a sweep was asked for; the fields are those of ``hydra.sweeper``.

    What each field means is documented in hydra_plugins/rnnexp/sweeper.py. Addresses may contain a
    password, so they are not in the representation.

    Attributes:
        study_name: The study's name; that of the resumed study if ``resume`` is given.
        storage: Optuna's storage URL, absolute.
        given_storage: The same as it was given, for messages.
        sweep_dir: Hydra's folder of the sweep, absolute.
        subdir: The folder of a job below it, with interpolations.
    """

    study_name: str
    storage: str = field(repr=False)
    given_storage: str = field(repr=False)
    tracking: Mapping[str, Any] = field(repr=False)
    sampler: Mapping[str, Any]
    pruner: Mapping[str, Any]
    direction: Any
    n_trials: int | None
    timeout: float | None
    patience: int | None
    min_delta: float
    n_jobs: int | None
    retries: int
    resume: str | None
    max_failure_rate: float
    keep: int | str
    checkpoints: tuple[str, ...]
    enqueue: tuple[Mapping[str, Value] | str, ...]
    params: Mapping[str, object]
    when: Mapping[str, object]
    check: str | None
    evaluate: str | None
    publish: str | None
    registered_model_name: str | None
    sweep_dir: Path
    subdir: str

    @classmethod
    def of(cls, config: DictConfig) -> "SweepSettings":
        """Read the settings from Hydra's composed config of a sweep, which is left as it is.

        Raises:
            ConfigError: If a value can't be resolved.
        """
        own = deepcopy(config)
        name = _study_name(own)
        with open_dict(own):
            own.hydra.sweeper.study_name = name  # other values may be made of the name
        values = _resolved(own.hydra.sweeper)
        enqueue = values["enqueue"]
        items = enqueue if isinstance(enqueue, list) else [] if enqueue is None else [enqueue]
        names = {each.name for each in fields(cls)}
        values = {key: value for key, value in values.items() if key in names}
        return cls(
            **values
            | {
                "study_name": name,
                "storage": absolute_uri(values["storage"]),
                "checkpoints": tuple(values["checkpoints"]),
                "enqueue": tuple(items),
                "params": values["params"] or {},
                "when": values["when"] or {},
            },
            given_storage=values["storage"],
            sweep_dir=Path(own.hydra.sweep.dir).absolute(),
            subdir=str(own.hydra.sweep._get_node("subdir")._value()),
        )

    def tracker(self) -> Tracker:
        """Make the tracker of the sweep's MLflow store."""
        return Tracker(**self.tracking)


def _study_name(config: DictConfig) -> str:
    sweeper = config.hydra.sweeper
    if sweeper.resume == LATEST:
        try:
            return newest_study(absolute_uri(sweeper.storage)) or LATEST
        except Exception:  # the check of the storage reports what is wrong
            return LATEST
    if sweeper.resume is not None:
        return str(sweeper.resume)
    if sweeper.study_name is None:
        return f"{config.hydra.job.name}-{datetime.now():%Y-%m-%d_%H-%M-%S}"
    return str(sweeper.study_name)


def _resolved(sweeper: DictConfig) -> dict[str, Any]:
    """Return the values as plain Python, or every problem at once."""
    values: dict[str, Any] = {}
    problems = []
    for key in map(str, sweeper):
        try:
            value = sweeper[key]
            values[key] = (
                OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            )
        except OmegaConfBaseException as error:
            problems.append(f"hydra.sweeper.{key}: {one_line(error)}")
    if problems:
        raise ConfigError(problems)
    return values
