"""A study is copied whole, and a copy that was interrupted is finished or begun again."""

from collections.abc import Callable
from copy import copy
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from rnnexp.storage.optuna_store import newest_study, open_storage, study_names, study_problem
from rnnexp.storage.schema import StudyAttrs, StudyNames
from rnnexp.storage.study_copy import copy_study, load_study, rewrite_study, whole

DRAFT = f"s{StudyNames.DRAFT}"
MORE = CategoricalDistribution((1, 2, 3))


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a storage with a study of a trial in each state."""
    url = f"sqlite:///{tmp_path}/optuna.db"
    study = optuna.create_study(study_name="s", storage=open_storage(url), direction="maximize")
    study.set_user_attr(StudyAttrs.RUN_ID, "run")
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING):
        trial = study.ask()
        trial.suggest_categorical("n", (1, 2))
        trial.report(0.5, 0)
        trial.set_user_attr("a", state.name)
        if state != TrialState.RUNNING:
            study.tell(trial, 0.25 if state == TrialState.COMPLETE else None, state=state)
    study.enqueue_trial({"n": 2})
    return url


def facts(trial: FrozenTrial) -> list[object]:
    names = (
        "number", "state", "values", "params", "user_attrs", "system_attrs", "intermediate_values",
        "datetime_start", "datetime_complete",
    )  # fmt: skip
    return [getattr(trial, name) for name in names]


def more_choices(trial: FrozenTrial) -> FrozenTrial:
    changed = copy(trial)
    changed.distributions = dict.fromkeys(trial.distributions, MORE)
    return changed


def test_a_rewritten_study_has_everything_but_the_change(url: str) -> None:
    before = [facts(trial) for trial in load_study("s", url).trials]
    study = rewrite_study("s", url, more_choices, {"new": 1})
    assert [facts(trial) for trial in study.trials] == before
    assert {d for trial in study.trials for d in trial.distributions.values()} == {MORE}
    assert study.direction.name == "MAXIMIZE"
    assert study.user_attrs == {StudyAttrs.RUN_ID: "run", "new": 1, StudyAttrs.COPY_OF: None}
    assert study_problem(study) is None
    trial = study.trials[3]
    opened = optuna.trial.Trial(study, trial._trial_id)
    assert opened.suggest_categorical("n", (1, 2, 3)) == trial.params["n"]
    assert study.ask().suggest_categorical("n", (1, 2, 3)) == 2  # the enqueued trial
    assert {s.study_name for s in open_storage(url).get_all_studies()} == {"s"}


def draft_in_part(url: str) -> None:
    copy_study(open_storage(url), "s", DRAFT, more_choices)


def draft_just_made(url: str) -> None:
    optuna.create_study(study_name=DRAFT, storage=open_storage(url))


def draft_whole(url: str) -> None:
    draft_in_part(url)
    whole(open_storage(url), DRAFT)


def study_deleted(url: str) -> None:
    draft_whole(url)
    optuna.delete_study(study_name="s", storage=open_storage(url))


def copied_back_in_part(url: str) -> None:
    study_deleted(url)
    copy_study(open_storage(url), DRAFT, "s")


@pytest.mark.parametrize(
    ("died", "is_changed"),
    [
        (draft_just_made, False),
        (draft_in_part, False),
        (draft_whole, False),
        (study_deleted, True),
        (copied_back_in_part, True),
    ],
)
def test_a_rewriting_that_was_interrupted(
    url: str, died: Callable[[str], None], is_changed: bool
) -> None:
    before = [facts(trial) for trial in load_study("s", url).trials]
    died(url)
    assert study_names(url) == ["s"]
    assert newest_study(url) == "s"
    study = load_study("s", url)
    assert [facts(trial) for trial in study.trials] == before
    assert (study.trials[0].distributions["n"] == MORE) is is_changed
    assert study_problem(study) is None
    assert {s.study_name for s in open_storage(url).get_all_studies()} == {"s"}
    again = rewrite_study("s", url, more_choices, {})
    assert again.trials[0].distributions["n"] == MORE


def test_a_copy_in_part_is_not_taken_for_a_study(url: str) -> None:
    copy_study(open_storage(url), "s", "t")
    problem = study_problem(load_study("t", url))
    assert problem and problem.endswith("to finish it: rnnexp rename s t")
    whole(open_storage(url), "t")
    assert study_problem(load_study("t", url)) is None


def test_a_genetic_algorithm_finds_its_parents_again(tmp_path: Path) -> None:
    """It keeps the ids of trials in the study, which are others in a copy."""
    url = f"sqlite:///{tmp_path}/optuna.db"
    sampler = optuna.samplers.NSGAIISampler(population_size=4, seed=0)
    study = optuna.create_study(study_name="s", storage=open_storage(url), sampler=sampler)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=10)

    def parents() -> list[set[int]]:
        storage = open_storage(url)
        attrs = storage.get_study_system_attrs(storage.get_study_id_from_name("s"))
        numbers = {trial._trial_id: trial.number for trial in load_study("s", url).trials}
        return [{numbers[n] for n in ids} for key, ids in attrs.items() if ":parent:" in key]

    before = parents()
    assert [len(numbers) for numbers in before] == [4, 4]
    rewrite_study("s", url, lambda trial: trial, {})
    assert parents() == before
