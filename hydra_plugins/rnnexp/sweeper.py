"""``hydra/sweeper=rnnexp``: the plugin that Hydra discovers; its work is in rnnexp/sweep/."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.rnnexp.launcher import ExecutorLauncher


@dataclass
class SweeperConf:
    """Settings of the sweeper; the names are those of Hydra's own Optuna sweeper.

    Attributes:
        sampler: An Optuna sampler, as ``_target_`` with its arguments.
        pruner: An Optuna pruner, as ``_target_`` with its arguments.
        direction: ``minimize`` or ``maximize``; null for that of the application's ``objective``
            (its ``monitor`` and ``mode``), and without one for ``minimize``.
        storage: Optuna's storage URL; a relative SQLite path begins where the command was started.
        study_name: Name of the study, new in its storage.
        n_trials: The number of trials; null if ``timeout`` or ``patience`` end the study.
        timeout: Seconds after which no further trial begins.
        patience: The number of trials in a row, without an improvement of the best, after which
            the study ends.
        min_delta: The smallest improvement that does not count.
        epochs: The number of epochs of all trials together after which no trial begins or goes on;
            below 1, the share of what ``n_trials`` trials would take without pruning, estimated by
            the trials that are complete. Null for no limit.
        core_hours: The core-hours of all trials together after which no trial begins or goes on:
            the cores of a trial, times the hours of all its attempts, counted when it pauses or
            ends. Null for no limit.
        pausing: When a trial pauses, to go on later, in place of being pruned; the settings are
            those of `rnnexp.pausing.Pausing`. Null to prune weak trials for good, which suits a job
            that can't go on after a pause.
        keep_paused: The number of paused trials that are kept, each with its backup; the least
            promising of more than that are pruned.
        enqueue: Params that are tried first: a list of values by searched key, where missing keys
            are sampled, or of names of studies, for the best params of each.
        n_jobs: The number of trials that run at once; null for one a core with this project's
            launchers, and for one after the other with Hydra's.
        retries: How often a trial whose process died is retried, from its last epoch.
        trial_timeout: Seconds that an attempt of a trial may take; then its worker is killed, as
            if it had died, and replaced. Null for no limit. Needs the launcher ``workers``.
        resume: The study to resume: its name, or ``latest``. The rest of the command has to be as
            it was, but for the search space, the budget, ``n_jobs`` and the like.
        max_failure_rate: The sweep stops when, of the last 20 trials and not less than 5 of them,
            a larger share failed.
        keep: How many of the best complete trials keep their checkpoints: a number, ``all``, or
            ``none``, where the best trial keeps its own until it was evaluated at the end.
        checkpoints: Which file names in a trial's folder are checkpoints, such as ``*.keras``;
            nothing is deleted without any.
        params: The search space: ranges by config key, in Hydra's sweep grammar.
        when: The conditional part of the search space: ranges by config key, by condition, which
            is ``KEY=VALUE`` or ``KEY=choice(VALUE, ...)``.
        tracking: MLflow's tracking URI and experiment, whether its system metrics are logged, and
            whether the changes since the application's last commit are stored.
        check: Import path of the function that checks composed configs before trial 0; see
            rnnexp/execution/application_hooks.py for this and the two below.
        evaluate: Import path of the function that evaluates the best trial on the test part.
        publish: Import path of the function that makes the best model ready to use.
        registered_model_name: The name in MLflow's registry; null to register nothing. Studies
            that share a name compete for its champion.
        on_end: A command for the shell, run at the end of the sweep, however it ends; None for
            none. Its environment has RNNEXP_STUDY, RNNEXP_STATE (finished, interrupted or failed),
            RNNEXP_STOPPED, RNNEXP_TRIALS and, where there are any, RNNEXP_BEST_TRIAL,
            RNNEXP_BEST_VALUE, RNNEXP_BEST_PARAMS and RNNEXP_REPORT.
        count_parameters: Import path of the function that counts the parameters of the models of
            configs, for a dry run.
        dry_run: Check everything, print what the sweep would try and write, and write nothing.
    """

    _target_: str = "hydra_plugins.rnnexp.sweeper.RnnexpSweeper"
    _recursive_: bool = False
    sampler: Any = field(default_factory=lambda: {"_target_": "optuna.samplers.TPESampler"})
    pruner: Any = field(default_factory=lambda: {"_target_": "optuna.pruners.NopPruner"})
    direction: Any = None
    storage: str = "sqlite:///optuna.db"
    study_name: str | None = "${hydra.job.name}-${now:%Y-%m-%d_%H-%M-%S}"
    n_trials: int | None = 20
    timeout: float | None = None
    patience: int | None = None
    min_delta: float = 0.0
    epochs: float | None = None
    core_hours: float | None = None
    pausing: Any = None
    keep_paused: int = 50
    enqueue: Any = None
    n_jobs: int | None = None
    retries: int = 1
    trial_timeout: float | None = None
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
            "uncommitted_diff": True,
        }
    )
    check: str | None = None
    evaluate: str | None = None
    publish: str | None = None
    registered_model_name: str | None = "${hydra.sweeper.study_name}"
    on_end: str | None = None
    count_parameters: str | None = None
    dry_run: bool = False


ConfigStore.instance().store(
    group="hydra/sweeper", name="rnnexp", node=SweeperConf, provider="rnnexp"
)


def _run_trial(task_function: TaskFunction, config: DictConfig) -> Any:
    """Run a job as a trial; MLflow, which that takes, is imported where the job runs."""
    from rnnexp.execution.trial_task import TrialTask

    return TrialTask(task_function)(config)


class RnnexpSweeper(Sweeper):
    """Runs a study: asks Optuna for trials, runs them with the launcher, stores their results."""

    def __init__(self, **settings: Any) -> None:  # noqa: ARG002
        """Accept the settings, which `SweepSettings` reads from the config."""
        self.hydra_context = None
        self.config = None
        self.launcher = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        # Imported here: Hydra imports every plugin at every start, `--help` included.
        from rnnexp.cores import available_cores
        from rnnexp.execution.application_hooks import modules_of_jobs
        from rnnexp.execution.store_passwords import hide_store_passwords, share_passwords
        from rnnexp.library_defaults import set_library_defaults
        from rnnexp.sweep.settings import named

        set_library_defaults()
        hide_store_passwords(config)  # in place: Hydra takes the arguments of `sweep` from it
        self.hydra_context = hydra_context
        self.config = named(config)
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context,
            task_function=partial(_run_trial, task_function),
            config=self.config,
        )
        if isinstance(self.launcher, ExecutorLauncher):
            # Before the imports of `sweep`, which a core is left to; the others start after them.
            modules = modules_of_jobs(self.config.hydra.sweeper)
            self.launcher.jobs.warm_up(modules, most=max(1, len(available_cores()) - 1))
        else:
            share_passwords()

    def sweep(self, arguments: list[str]) -> None:
        if not (self.config and self.hydra_context and self.launcher):
            raise RuntimeError("Hydra calls setup before sweep")
        from rnnexp.quick_imports import quick_imports

        with quick_imports():
            from rnnexp.errors import message_alone
            from rnnexp.execution.composer import Composer
            from rnnexp.sweep.run_sweep import run_sweep
            from rnnexp.sweep.settings import SweepSettings

        settings = SweepSettings.of(self.config)
        if isinstance(self.launcher, ExecutorLauncher):
            composer = self.launcher.jobs.composer
        else:
            composer = Composer(self.hydra_context.config_loader, self.config)
        try:
            with message_alone():
                run_sweep(settings, composer, self.launcher, arguments)
        except KeyboardInterrupt:
            # The summary has been printed; 130 is a shell's exit code of an interrupted command.
            raise SystemExit(130) from None
