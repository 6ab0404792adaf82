"""Resuming a study: ``hydra.sweeper.resume``."""

from collections.abc import Mapping

import optuna

from rnnexp.identity import Digests, Identity, changed_files
from rnnexp.objective import Objective
from rnnexp.search.quoting import as_value, for_shell
from rnnexp.search.study_definition import differences
from rnnexp.storage.optuna_store import (
    objective_of,
    study_names,
    study_problem,
    unknown_study,
)
from rnnexp.storage.schema import StudyAttrs
from rnnexp.storage.stored_orders import read_orders
from rnnexp.storage.study_copy import load_study
from rnnexp.sweep.heartbeat import other_machines
from rnnexp.sweep.host_checks import file_stores
from rnnexp.sweep.settings import SweepSettings


def study_to_resume(settings: SweepSettings) -> tuple[optuna.Study | None, list[str]]:
    """Load the study to resume.

    Returns:
        The study, and why it can't be resumed; None and no problem if none is to be resumed.
    """
    if settings.resume is None:
        return None, []
    name, url = settings.study_name, settings.storage
    names = study_names(url)
    if name not in names:
        return None, [f"hydra.sweeper.resume: {unknown_study(name, names, url)}"]
    study = load_study(name, url)
    if problem := study_problem(study):
        return None, [f"hydra.sweeper.resume: {problem}"]
    return study, []


def resume_problems(
    settings: SweepSettings,
    study: optuna.Study,
    definition: Mapping[str, str],
    identity: Identity,
    digests: Digests,
) -> list[str]:
    """Return why a study can't go on with these settings; empty if it can.

    Args:
        settings: The settings of the sweep that resumes.
        study: The study to resume.
        definition: The definition that the study would have now.
        identity: What the values of further trials would be measured on and by.
        digests: The fingerprints of the files that further trials would read.
    """
    where = f"hydra.sweeper.resume={study.study_name}"
    # A study without a definition has no trials either: its sweep died early.
    found = differences(study.user_attrs.get(StudyAttrs.DEFINITION, definition), definition)
    before, now = objective_of(study).direction, Objective.parse(identity.objective).direction
    if before != now:
        found.append(f"direction was {before}, now it is {now}")
    found += changed_files(study.user_attrs.get(StudyAttrs.DIGESTS, {}), digests)
    if not found and (stored := study.user_attrs.get(StudyAttrs.IDENTITY)):
        found = Identity.parse(stored).differences(identity, "its", "now it")
    if problem := _other_model_name(settings, study):
        found.append(problem)
    return [f"{where}: the study is another one: {text}" for text in found]


def has_other_budget(settings: SweepSettings, study: optuna.Study) -> bool:
    """Return whether a resume may spend more than the sweep that ended the study could, or did.

    A timeout begins anew with each sweep, and a user may have stopped the study before its budget
    was spent.
    """
    return (
        settings.timeout is not None
        or study.user_attrs.get(StudyAttrs.BUDGET) != settings.limits
        or read_orders(study).study is not None
    )


def sharing_problems(settings: SweepSettings, study: optuna.Study) -> list[str]:
    """Return which stores this sweep can't share with sweeps of the study on other machines."""
    hosts = ", ".join(sorted(other_machines(study)))
    if not hosts:
        return []
    return [
        f"{given}: a sweep on {hosts} works on study {study.study_name}{why}; wait for its end, or "
        f"give {server}, to a new study"
        for given, why, server in file_stores(settings)
    ]


def run_problems(settings: SweepSettings, study: optuna.Study) -> list[str]:
    """Return why the run of a study can't go on in MLflow, whose store works; empty if it can."""
    run_id = study.user_attrs.get(StudyAttrs.RUN_ID)
    problem = settings.tracker().run_problem(run_id) if run_id else None
    return [f"hydra.sweeper.resume={study.study_name}: {problem}"] if problem else []


def _other_model_name(settings: SweepSettings, study: optuna.Study) -> str:
    """Return the message on another name in the registry, where a model would have no rival."""
    before = study.user_attrs.get(StudyAttrs.MODEL_NAME)
    now = settings.registered_model_name
    if before is None or now is None or before == now:
        return ""
    return f"hydra.sweeper.registered_model_name was {before}, now it is {now}"


def taken_name(settings: SweepSettings) -> str:
    """Return the message on a new study whose name is taken."""
    resume = for_shell(f"hydra.sweeper.resume={as_value(settings.study_name)}")
    return (
        f"hydra.sweeper.study_name={settings.study_name}: there is such a study in "
        f"{settings.storage} already; resume it with {resume}, give another name, "
        "or leave the name out for a name with the time in it"
    )
