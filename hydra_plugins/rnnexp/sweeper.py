"""``hydra/sweeper=rnnexp``: the shell that Hydra discovers; the work is in rnnexp.sweep.study."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class SweeperConf:
    """The sweeper's settings; the names are those of Hydra's own Optuna sweeper.

    Attributes:
        sampler: An Optuna sampler, as ``_target_``.
        pruner: An Optuna pruner, as ``_target_``.
        direction: ``minimize`` or ``maximize``.
        storage: Optuna's storage URL; a relative SQLite path begins where the command was started.
        study_name: Name of the study, new in its storage.
        n_trials: How many trials to run; null if ``timeout`` or ``patience`` end the study.
        timeout: Seconds after which no further trial begins.
        patience: The study ends after so many trials in a row that didn't improve the best.
        min_delta: By how much a value has to be better to count as an improvement.
        enqueue: Settings that are tried first: a list of values by searched key, where what is
            left out is sampled, or of names of studies, for the best of each.
        repeat_seed: Config key of a seed. By default a setting that was tried is drawn anew; with
            a key it is run again with another seed there.
        n_jobs: How many trials at once; null for one a core with this project's launchers,
            and for one after the other with Hydra's.
        retries: How often a trial whose process died is tried again, from its last epoch.
        resume: The study to go on with: its name, or ``latest``. The rest of the command has to
            be as it was, but for the budget, ``n_jobs`` and the like.
        max_failure_rate: The sweep stops when, of the last 20 trials and not less than
            5 of them, a larger share failed.
        keep: How many of the best completed trials keep their checkpoints: a number, ``all``, or
            ``none``, where the best one keeps its own until it was evaluated at the end.
        checkpoints: What names of files in a trial's folder are checkpoints, such as ``*.keras``;
            none, and nothing is deleted.
        params: What is searched, by config key, in Hydra's sweep grammar.
        when: What is searched beside, only where another searched key has some value: the same
            by condition, which is ``KEY=VALUE`` or ``KEY=choice(VALUE, ...)``.
        tracking: MLflow's tracking URI and experiment, and whether its system metrics are logged.
        check: Import path of a function that is given composed configs before trial 0 and
            returns what is wrong with them, as a list of messages.
        evaluate: Import path of a function that is given the best trial's config and MLflow
            run id at the end and returns metrics for the study's run.
        publish: Import path of a function that is given the same, the study's run id and
            ``registered_model_name``, makes the best model ready to use, and returns what to say
            in the summary, each with a command.
        registered_model_name: The name in MLflow's registry; null to register nothing. Studies
            that share one compete for its champion.
    """

    _target_: str = "hydra_plugins.rnnexp.sweeper.RnnexpSweeper"
    _recursive_: bool = False
    sampler: Any = field(default_factory=lambda: {"_target_": "optuna.samplers.TPESampler"})
    pruner: Any = field(default_factory=lambda: {"_target_": "optuna.pruners.NopPruner"})
    direction: Any = "minimize"
    storage: str = "sqlite:///optuna.db"
    study_name: str | None = "${hydra.job.name}-${now:%Y-%m-%d_%H-%M-%S}"
    n_trials: int | None = 20
    timeout: float | None = None
    patience: int | None = None
    min_delta: float = 0.0
    enqueue: Any = None
    repeat_seed: str | None = None
    n_jobs: int | None = None
    retries: int = 1
    resume: str | None = None
    max_failure_rate: float = 0.5
    keep: Any = 5
    checkpoints: list[str] = field(default_factory=list)
    params: dict[str, Any] | None = None
    when: dict[str, Any] | None = None
    tracking: Any = field(
        default_factory=lambda: {
            "uri": None,
            "experiment": "${hydra.job.name}",
            "system_metrics": False,
        }
    )
    check: str | None = None
    evaluate: str | None = None
    publish: str | None = None
    registered_model_name: str | None = "${hydra.sweeper.study_name}"


ConfigStore.instance().store(
    group="hydra/sweeper", name="rnnexp", node=SweeperConf, provider="rnnexp"
)


class RnnexpSweeper(Sweeper):
    """Asks Optuna for trials, runs them with the launcher, tells Optuna what came out."""

    def __init__(self, **settings: Any) -> None:  # noqa: ARG002
        """Take the settings; the study reads them from the config."""
        self.hydra_context = None
        self.config = None
        self.launcher = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        # Imported here: Hydra imports every plugin at every start, `--help` included.
        from rnnexp.execution.trial_task import TrialTask
        from rnnexp.library_defaults import set_library_defaults

        set_library_defaults()
        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=TrialTask(task_function), config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        if not (self.config and self.hydra_context and self.launcher):
            raise RuntimeError("Hydra calls setup before sweep")
        from rnnexp.sweep.study import sweep

        try:
            sweep(self.config, self.hydra_context.config_loader, self.launcher, arguments)
        except KeyboardInterrupt:
            # All that is to be said has been; as a shell has it, and without a traceback.
            raise SystemExit(130) from None
