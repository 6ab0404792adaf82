"""A dry run of a sweep: what it would try, how long that would take, and what it would write.

Everything was checked before, as for a real sweep. Nothing is written: params are drawn for a study
in memory, by the same sampler with the same seed, for a resume with the trials of the study.
"""

from collections.abc import Mapping, Sequence

import optuna
from optuna.storages import InMemoryStorage
from rich.console import Console

from rnnexp.execution.composer import Composer
from rnnexp.execution.launching import Jobs
from rnnexp.formatting import format_seconds
from rnnexp.passwords import to_type
from rnnexp.search.dimension import Params
from rnnexp.search.sampling import DistinctSampler, ask, reason_to_stop
from rnnexp.search.space_change import as_stored
from rnnexp.storage.optuna_store import is_paused, reopenable, stored_result
from rnnexp.sweep.plan import SweepPlan
from rnnexp.sweep.search_change import changes_of
from rnnexp.sweep.settings import SweepSettings

MOST = 10  # settings that are drawn


def show_dry_run(plan: SweepPlan, composer: Composer, jobs: Jobs) -> None:
    """Print what a sweep would do.

    Args:
        plan: The plan of the sweep.
        composer: Composes the configs of trials.
        jobs: Counts the parameters of models, where jobs run.
    """
    drawn = first_params(plan)
    sizes = _sizes(plan, list(drawn.values()), composer, jobs)
    changes = plan.change.summary if plan.change else []
    lines = [
        *(f"The search would change: {line}" for line in changes),
        *_settings(plan, drawn, sizes),
        _time(plan, jobs.n_jobs),
        *written(plan.settings, plan.resumed),
        "Nothing was written: this was a dry run (hydra.sweeper.dry_run=true).",
    ]
    console = Console()
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def first_params(plan: SweepPlan, most: int = MOST) -> dict[int, Params]:
    """Return the params of the first trials by number, as far as no result is known yet.

    Args:
        plan: The plan of the sweep.
        most: The most trials.
    """
    study = _copy(plan)
    for params in plan.enqueued:
        study.enqueue_trial(params, skip_if_exists=True)
    drawn: dict[int, Params] = {}
    n_trials = plan.settings.n_trials
    while len(drawn) < most and not reason_to_stop(study, plan.space):
        begun = [t for t in study.get_trials(deepcopy=False) if t.state.name != "WAITING"]
        if n_trials is not None and len(begun) >= n_trials:
            break
        trial = ask(study, plan.space)
        drawn[trial.number] = trial.params
    return dict(sorted(drawn.items()))


def _copy(plan: SweepPlan) -> optuna.Study:
    """Return a study in memory, with all that the study to resume has, if there is one."""
    storage, name = InMemoryStorage(), plan.settings.study_name
    resumed, change = plan.resumed, plan.change
    if resumed and not change:
        optuna.copy_study(from_study_name=name, from_storage=resumed._storage, to_storage=storage)
    has_changed = bool(change or (resumed and changes_of(resumed)))
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        sampler=DistinctSampler(plan.sampler, plan.space, has_changed=has_changed),
        pruner=plan.pruner,
        direction=plan.objectives.first.direction,
        load_if_exists=True,
    )
    if change:
        study.add_trials([as_stored(t, change.added, plan.space) for t in change.trials])
    return study


def _sizes(
    plan: SweepPlan, drawn: Sequence[Params], composer: Composer, jobs: Jobs
) -> Sequence[int]:
    count = plan.application.count_parameters
    if not (count and drawn):
        return []
    configs = [composer.compose(plan.space.overrides(params)) for params in drawn]
    counts: Sequence[int] = jobs.call(count, configs).result()
    return counts


def _settings(plan: SweepPlan, drawn: Mapping[int, Params], sizes: Sequence[int]) -> list[str]:
    lines = [f"The first {len(drawn)} trials:" if drawn else "No trial would begin."]
    for row, (number, params) in enumerate(drawn.items()):
        texts = " ".join(f"{key}={text}" for key, text in plan.space.texts(params).items())
        lines.append(f"  {number}: {texts}" + (f" ({sizes[row]:,} parameters)" if sizes else ""))
    if paused := _n_paused(plan.resumed):
        lines.append(f"{paused} paused trials of the study may go on before these.")
    return lines


def _n_paused(study: optuna.Study | None) -> int:
    if study is None:
        return 0
    trials = study.get_trials(deepcopy=False)
    return len(reopenable(trials)) + sum(map(is_paused, trials))


def _time(plan: SweepPlan, n_jobs: int) -> str:
    settings = plan.settings
    ended = plan.resumed.get_trials(deepcopy=False) if plan.resumed else []
    took = [result.seconds for t in ended if (result := stored_result(t)) and result.seconds]
    left = None if settings.n_trials is None else max(settings.n_trials - len(ended), 0)
    return "Time: " + estimate(took, left, n_jobs, settings.timeout)


def estimate(took: Sequence[float], left: int | None, n_jobs: int, timeout: float | None) -> str:
    """Estimate how long a sweep would take.

    Args:
        took: The seconds that each trial of the study took.
        left: The number of trials that would begin; None for no limit.
        n_jobs: The number of trials that run at once.
        timeout: The limit of the sweep in seconds; None for none.
    """
    most = "" if timeout is None else f"; no trial begins after {format_seconds(timeout)}"
    if left is None:
        return f"unknown, since the number of trials has no limit{most}"
    if not took:
        return f"unknown, since no trial of the study has ended yet{most}"
    mean = sum(took) / len(took)
    about = format_seconds(left * mean / min(n_jobs, max(left, 1)))
    return f"about {about} for {left} trials, by the mean of {len(took)} trials{most}"


def written(settings: SweepSettings, study: optuna.Study | None) -> list[str]:
    """Return what a sweep would write, and where.

    Args:
        settings: The sweeper's settings.
        study: The study to resume; None for a new one.
    """
    known = "new" if study is None else f"with {len(study.get_trials(deepcopy=False))} trials"
    tracker, experiment = settings.tracker(), settings.tracking["experiment"]
    lines = [
        "It would write:",
        f"  the study {settings.study_name} ({known}) to {settings.given_storage}",
        f"  a run for the study and for each trial to {to_type(tracker.uri)}, in {experiment}",
        f"  the trials' folders and the report to {settings.sweep_dir}",
    ]
    if settings.publish and settings.registered_model_name:
        lines.append(f"  the best model to MLflow's registry, as {settings.registered_model_name}")
    return lines
