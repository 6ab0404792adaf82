"""Resuming a study: ``hydra.sweeper.resume``."""

from collections.abc import Mapping

import optuna

from rnnexp.search.quoting import as_value, for_shell
from rnnexp.search.study_definition import differences
from rnnexp.storage.optuna_store import open_storage, study_names, study_problem, unknown_study
from rnnexp.storage.schema import StudyAttrs
from rnnexp.sweep.settings import SweepSettings


def study_to_resume(settings: SweepSettings) -> tuple[optuna.Study | None, list[str]]:
    """Load the study to resume.

    Returns:
        The study, and why it can't be resumed; None and no problem if none is to be resumed.
    """
    if settings.resume is None:
        return None, []
    name, url = settings.study_name, settings.storage
    try:
        names = study_names(url)
    except Exception:  # the check of the storage reports what is wrong
        return None, []
    if name not in names:
        return None, [f"hydra.sweeper.resume: {unknown_study(name, names, url)}"]
    study = optuna.load_study(study_name=name, storage=open_storage(url))
    if problem := study_problem(study):
        return None, [f"hydra.sweeper.resume: {problem}"]
    return study, []


def resume_problems(
    settings: SweepSettings, study: optuna.Study, definition: Mapping[str, str]
) -> list[str]:
    """Return why a study can't go on with these settings; empty if it can.

    Args:
        settings: The settings of the sweep that resumes.
        study: The study to resume.
        definition: The definition that the study would have now.
    """
    where = f"hydra.sweeper.resume={study.study_name}"
    # A study without a definition has no trials either: its sweep died early.
    found = differences(study.user_attrs.get(StudyAttrs.DEFINITION, definition), definition)
    before = study.direction.name.lower()
    if before != settings.direction:
        found.append(f"direction was {before}, now it is {settings.direction}")
    problems = [f"{where}: the study is another one: {text}" for text in found]
    tracker = settings.tracker()
    run_id = study.user_attrs.get(StudyAttrs.RUN_ID)
    if run_id and not tracker.problems() and not tracker.knows(run_id):
        problems.append(
            f"{where}: its run {run_id} is not in {tracker.uri}; give the tracking.uri that the "
            "study began with"
        )
    return problems


def taken_name(settings: SweepSettings) -> str:
    """Return the message on a new study whose name is taken."""
    resume = for_shell(f"hydra.sweeper.resume={as_value(settings.study_name)}")
    return (
        f"hydra.sweeper.study_name={settings.study_name}: there is such a study in "
        f"{settings.storage} already; resume it with {resume}, give another name, "
        "or leave the name out for a name with the time in it"
    )
