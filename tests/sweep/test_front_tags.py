"""The tag of the trials on the Pareto front, through a real store of MLflow's."""

from pathlib import Path

import optuna
import pytest
from mlflow.tracking import MlflowClient
from optuna.trial import TrialState, create_trial

from rnnexp.constraints import Constraint
from rnnexp.objective import Objective
from rnnexp.objectives import Objectives
from rnnexp.result import Result, State
from rnnexp.storage.ended_trials import EndedTrials
from rnnexp.storage.schema import StudyAttrs, Tags, TrialAttrs
from rnnexp.sweep.front_tags import FrontTags

RESULT = Result(State.COMPLETE, 0.1)


class Parts:
    """A study of a loss and a size, whose trials have runs."""

    def __init__(self, uri: str, objectives: Objectives) -> None:
        self.client = MlflowClient(uri)
        directions = [each.direction for each in objectives.all]
        self.study = optuna.create_study(directions=directions)
        self.study.set_user_attr(StudyAttrs.OBJECTIVE, str(objectives.first))
        if not objectives.is_plain:
            self.study.set_user_attr(StudyAttrs.OBJECTIVES, objectives.to_json())
        self.runs: list[str] = []

    def add(self, *values: float, **measures: float) -> None:
        self.runs.append(self.client.create_run("0").info.run_id)
        result = Result(State.COMPLETE, values[0], measures=measures)
        attrs = {TrialAttrs.RUN_ID: self.runs[-1], TrialAttrs.RESULT: result.to_json()}
        self.study.add_trial(create_trial(values=values, user_attrs=attrs))

    def tags(self) -> list[str | None]:
        return [self.client.get_run(run).data.tags.get(Tags.FRONT) for run in self.runs]


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    both = Objectives(Objective("loss", "min"), (Objective("size", "min"),))
    return Parts(f"sqlite:///{tmp_path}/mlflow.db", both)


def test_a_trial_leaves_the_front(parts: Parts) -> None:
    tags = FrontTags(EndedTrials(parts.study), parts.client)
    parts.add(0.5, 10)
    parts.add(0.6, 20)
    tags.on_idle()
    assert parts.tags() == ["true", "false"]
    parts.add(0.4, 10)
    tags.on_idle()  # no trial has ended, as far as this sweep knows
    assert parts.tags() == ["true", "false", None]
    tags.on_trial_end(2, RESULT)
    tags.on_idle()
    assert parts.tags() == ["false", "false", "true"]


def test_with_one_objective_nothing_is_tagged(tmp_path: Path) -> None:
    parts = Parts(f"sqlite:///{tmp_path}/mlflow.db", Objectives(Objective("loss", "min")))
    parts.add(0.5)
    FrontTags(EndedTrials(parts.study), parts.client).tag_at_end()
    assert parts.tags() == [None]


def test_a_store_that_fails_does_not_fail_the_sweep(
    parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    parts.add(0.5, 10)
    parts.client.delete_run(parts.runs[0])
    tags = FrontTags(EndedTrials(parts.study), parts.client)
    tags.on_idle()
    FrontTags(EndedTrials(parts.study), parts.client).tag_at_end()
    assert f"the tags {Tags.FRONT} in MLflow are not up to date" in caplog.text
    parts.client.restore_run(parts.runs[0])
    tags.on_idle()  # once more
    assert parts.tags() == ["true"]


def test_of_constraints_alone_the_best_trial_is_the_front(tmp_path: Path) -> None:
    small = Objectives(Objective("loss", "min"), (), (Constraint.parse("size < 10"),))
    parts = Parts(f"sqlite:///{tmp_path}/mlflow.db", small)
    parts.add(0.1, size=20)
    parts.add(0.3, size=5)
    parts.add(0.4, size=1)
    FrontTags(EndedTrials(parts.study), parts.client).tag_at_end()
    assert parts.tags() == ["false", "true", "false"]


def test_trials_without_a_value_or_a_run_have_no_tag(parts: Parts) -> None:
    parts.add(0.5, 10)
    attrs = {TrialAttrs.RUN_ID: parts.client.create_run("0").info.run_id}
    parts.runs.append(attrs[TrialAttrs.RUN_ID])
    parts.study.add_trial(create_trial(state=TrialState.PRUNED, user_attrs=attrs))
    parts.study.add_trial(create_trial(values=[0.1, 1]))  # of another program
    FrontTags(EndedTrials(parts.study), parts.client).tag_at_end()
    assert parts.tags() == ["false", None]


def test_another_sweep_of_the_study_mends_the_tags(parts: Parts) -> None:
    parts.add(0.5, 10)
    FrontTags(EndedTrials(parts.study), parts.client).tag_at_end()
    parts.add(0.4, 9)
    FrontTags(EndedTrials(parts.study), parts.client).tag_at_end()
    assert parts.tags() == ["false", "true"]
    parts.client.delete_tag(parts.runs[1], Tags.FRONT)
    FrontTags(EndedTrials(parts.study), parts.client).on_idle()
    assert parts.tags() == ["false", "true"]
