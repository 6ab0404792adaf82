"""The plan of a sweep: what the checks before trial 0 have found out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import optuna
from omegaconf import DictConfig
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from rnnexp.data.run_datasets import RunDataset
from rnnexp.execution.application_hooks import Application
from rnnexp.identity import Digests, Identity
from rnnexp.objectives import Objectives
from rnnexp.search.dimension import Params
from rnnexp.search.space import Space
from rnnexp.sweep.search_change import SearchChange
from rnnexp.sweep.settings import SweepSettings


@dataclass(frozen=True)
class SweepPlan:
    """Everything that is known before trial 0; nothing of it is found out again.

    Attributes:
        settings: The sweeper's settings.
        space: The search space; of a study to resume, with the choices that the study stores.
        base: The composed config of a trial with nothing searched.
        objectives: What the study optimizes, and the constraints.
        identity: What the trials' values are measured on and by.
        digests: The fingerprints of the files that the trials read, by config key and path.
        definition: What must stay the same when the study is resumed, as texts by key.
        sampler: Draws params.
        pruner: Stops weak trials.
        enqueued: The params to try first.
        application: The functions that the application hands over.
        resumed: The study to resume; None for a new study.
        uploads: Whether trials upload their backups, since not all machines see the sweep's folder.
        datasets: The parts of the data, for MLflow.
        change: How the resume changes what the study searches; None if it does not.
    """

    settings: SweepSettings
    space: Space
    base: DictConfig
    objectives: Objectives
    identity: Identity
    digests: Digests
    definition: Mapping[str, str]
    sampler: BaseSampler
    pruner: BasePruner
    enqueued: Sequence[Params]
    application: Application
    resumed: optuna.Study | None = None
    uploads: bool = False
    datasets: Sequence[RunDataset] = ()
    change: SearchChange | None = None
