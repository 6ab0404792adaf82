"""The sweeper's settings, typed: ``hydra.sweeper``, read once."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf, open_dict

from rnnexp.passwords import hide
from rnnexp.storage.optuna_store import newest_study
from rnnexp.storage.uris import absolute_uri, is_server

# Neither Optuna nor MLflow is imported here: the workers start before, as both take their time.
if TYPE_CHECKING:
    from rnnexp.search.dimension import Value
    from rnnexp.storage.mlflow_tracker import Tracker

LATEST = "latest"


@dataclass(frozen=True)
class SweepSettings:
    """What a sweep was asked for; the fields are those of ``hydra.sweeper``.

    What each field means is documented in hydra_plugins/rnnexp/sweeper.py. A URL that the
    environment gives may have a password in it, so URLs are not in the representation.

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
    trial_timeout: float | None
    patience: int | None
    epochs: float | None
    core_hours: float | None
    pausing: Mapping[str, Any] | None
    keep_paused: int
    min_delta: float
    n_jobs: int | None
    retries: int
    resume: str | None
    max_failure_rate: float
    keep: int | str
    checkpoints: tuple[str, ...]
    enqueue: "tuple[Mapping[str, Value] | str, ...]"
    params: Mapping[str, object]
    when: Mapping[str, object]
    check: str | None
    evaluate: str | None
    publish: str | None
    registered_model_name: str | None
    on_end: str | None
    count_parameters: str | None
    dry_run: bool
    sweep_dir: Path
    subdir: str

    @classmethod
    def of(cls, config: DictConfig) -> "SweepSettings":
        """Read the settings from a sweep's config, which is left as it is.

        Args:
            config: Hydra's composed config of the sweep, with the study's name: see `named`.
        """
        sweeper: Any = OmegaConf.to_container(config.hydra.sweeper, resolve=True)
        enqueue = sweeper["enqueue"]
        items = enqueue if isinstance(enqueue, list) else [] if enqueue is None else [enqueue]
        names = {each.name for each in fields(cls)}
        return cls(
            **{key: value for key, value in sweeper.items() if key in names}
            | {
                "storage": absolute_uri(sweeper["storage"]),
                "checkpoints": tuple(sweeper["checkpoints"]),
                "enqueue": tuple(items),
                "params": sweeper["params"] or {},
                "when": sweeper["when"] or {},
            },
            given_storage=hide(sweeper["storage"]),
            sweep_dir=Path(config.hydra.sweep.dir).absolute(),
            subdir=str(config.hydra.sweep._get_node("subdir")._value()),
        )

    @property
    def limits(self) -> dict[str, float | None]:
        """The limits of the budget by name, each None for no limit."""
        names = ("n_trials", "timeout", "patience", "epochs", "core_hours")
        limits: dict[str, float | None] = {name: getattr(self, name) for name in names}
        return limits | {"idle_epochs": (self.pausing or {}).get("idle_epochs")}

    def tracker(self) -> "Tracker":
        """Make the tracker of the sweep's MLflow store."""
        from rnnexp.storage.mlflow_tracker import Tracker

        return Tracker(**self.tracking)

    def artifact_folder(self) -> Path | None:
        """Return the folder of this machine that the artifacts of a server's runs are in, if any.

        A server that does not serve artifacts lets its clients write them there.
        """
        from rnnexp.storage.store_problems import artifact_folder

        tracker = self.tracker()
        if not is_server(tracker.uri):
            return None
        return artifact_folder(tracker.client(), self.tracking["experiment"])


def named(config: DictConfig) -> DictConfig:
    """Return a copy of a sweep's config in which the study has its name.

    The name is that of the study to resume, or of the newest study for ``latest``; a name that was
    left out is made of the job's name and the time. Values that are made of the name follow.

    Args:
        config: Hydra's composed config of the sweep, which is left as it is.
    """
    own = deepcopy(config)
    with open_dict(own):
        own.hydra.sweeper.study_name = _study_name(own)
    return own


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
