"""Tags of runs in MLflow become orders, and orders become notes in the runs."""

import logging
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from mlflow.tracking import MlflowClient

from rnnexp.orders import Order, target_of
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.storage.schema import StudyAttrs, Tags, TrialAttrs
from rnnexp.storage.stored_orders import give_order, read_orders
from rnnexp.sweep.heartbeat import Heartbeat
from rnnexp.sweep.order_tags import OrderTags

UNKNOWN = "halt is no order to a {}: give one of stop, pause, resume"


class Parts:
    """A study of one running and one ended trial, with their runs, and a run of another study."""

    def __init__(self, uri: str, study: optuna.Study, run: Run) -> None:
        self.client, self.study, self.run = MlflowClient(uri), study, run
        self.trials = [self.nested(run.id, number) for number in range(2)]
        for run_id in self.trials:
            study.ask().set_user_attr(TrialAttrs.RUN_ID, run_id)
        study.tell(1, 0.5)
        self.other = self.nested("another", 0)

    def nested(self, parent: str, number: int) -> str:
        tags = {"mlflow.parentRunId": parent, Tags.TRIAL: str(number)}
        run_id: str = self.client.create_run(self.run.experiment_id, tags=tags).info.run_id
        return run_id

    def tags(self, run_id: str) -> dict[str, str]:
        tags: dict[str, str] = self.client.get_run(run_id).data.tags
        return tags

    def given(self) -> dict[str, str]:
        return {target: order.what for target, order in read_orders(self.study).given.items()}


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    uri, study = f"sqlite:///{tmp_path}/mlflow.db", optuna.create_study()
    with Tracker(uri, "test").run("s", tags={}, params={}) as run:
        yield Parts(uri, study, run)


@pytest.mark.parametrize(
    ("of_study", "of_trial", "given", "answer"),
    [
        ("stop", None, {"study": "stop"}, "stopped by the tag steer (in MLflow, "),
        (" Trials = 40", None, {"trials": "trials=40"}, "trials=40 by the tag steer (in MLflow, "),
        ("halt", None, {}, UNKNOWN.format("study")),
        (None, "Pause", {"0": "pause"}, "paused by the tag steer (in MLflow, "),
        (None, "halt", {}, UNKNOWN.format("trial")),
        (None, "trials=40", {}, "trials=40 is no order to a trial: "),
        (None, None, {}, ""),
    ],
)
def test_a_tag_is_taken_and_answered_once(
    parts: Parts,
    caplog: pytest.LogCaptureFixture,
    of_study: str | None,
    of_trial: str | None,
    given: dict[str, str],
    answer: str,
) -> None:
    for run_id, tag in ((parts.run.id, of_study), (parts.trials[0], of_trial)):
        if tag is not None:
            parts.client.set_tag(run_id, Tags.STEER, tag)
    parts.client.set_tag(parts.other, Tags.STEER, "stop")
    with Heartbeat(parts.study) as heartbeat, caplog.at_level(logging.WARNING):
        taken = OrderTags(parts.study, parts.run, parts.client, heartbeat.sweep_id)
        for _ in range(2):
            taken.look()
    assert parts.given() == given
    assert len(caplog.messages) == (1 if answer and not given else 0)
    tags = parts.tags(parts.run.id if of_study else parts.trials[0])
    assert tags.get(Tags.STEERED, "").startswith(answer)
    assert (Tags.STEERED in tags) == bool(answer)
    assert Tags.STEER not in tags
    assert parts.tags(parts.other)[Tags.STEER] == "stop"


def test_a_trial_that_has_ended_takes_no_order(parts: Parts) -> None:
    parts.client.set_tag(parts.trials[1], Tags.STEER, "stop")
    with Heartbeat(parts.study) as heartbeat:
        OrderTags(parts.study, parts.run, parts.client, heartbeat.sweep_id).take()
    assert parts.given() == {}
    assert "has ended (COMPLETE)" in parts.tags(parts.trials[1])[Tags.STEERED]


def test_one_of_several_sweeps_takes_the_tags(parts: Parts) -> None:
    with Heartbeat(parts.study) as one, Heartbeat(parts.study) as two:
        first, second = sorted([one.sweep_id, two.sweep_id])
        parts.client.set_tag(parts.run.id, Tags.STEER, "pause")
        OrderTags(parts.study, parts.run, parts.client, second).take()
        assert parts.given() == {}
        OrderTags(parts.study, parts.run, parts.client, first).take()
        assert parts.given() == {"study": "pause"}


def test_an_order_that_came_between_two_sweeps_is_not_obeyed(parts: Parts) -> None:
    parts.client.set_tag(parts.run.id, Tags.STEER, "stop")
    with Heartbeat(parts.study) as heartbeat:
        tags = OrderTags(parts.study, parts.run, parts.client, heartbeat.sweep_id)
        tags.forget()
        tags.take()
    assert parts.given() == {}
    assert parts.tags(parts.run.id)[Tags.STEERED] == (
        "stop was not obeyed, since no sweep was running"
    )


def test_commands_are_noted_when_the_sweep_ends(parts: Parts) -> None:
    with Heartbeat(parts.study) as heartbeat:
        tags = OrderTags(parts.study, parts.run, parts.client, heartbeat.sweep_id)
        tags.on_start()
        give_order(parts.study, "trials=40", None, by="rnnexp budget", who="ann@laptop")
        give_order(parts.study, "pause", 0, by="rnnexp pause", who="ann@laptop")
        tags.on_end()
    noted = parts.tags(parts.run.id)
    assert noted[Tags.STEERED].startswith("trials=40 by rnnexp budget (ann@laptop, ")
    assert noted["budget.n_trials"] == "40"
    assert parts.tags(parts.trials[0])[Tags.STEERED].startswith("paused by rnnexp pause (")


def test_an_answer_is_not_lost_to_an_earlier_order(parts: Parts) -> None:
    give_order(parts.study, "resume", None, by="rnnexp resume", who="ann@laptop")
    give_order(parts.study, "trials=40", None, by="rnnexp budget", who="ann@laptop")
    parts.client.set_tag(parts.run.id, Tags.STEER, "halt")
    with Heartbeat(parts.study) as heartbeat:
        OrderTags(parts.study, parts.run, parts.client, heartbeat.sweep_id).look()
    noted = parts.tags(parts.run.id)
    assert noted[Tags.STEERED].startswith(UNKNOWN.format("study"))
    assert noted["budget.n_trials"] == "40"


def test_of_two_orders_the_later_is_noted(parts: Parts) -> None:
    for what, when in (("resume", "2026-01-02 00:00:00"), ("trials=40", "2026-01-01 00:00:00")):
        order = Order(what, "a command", "ann@laptop", when)
        parts.study.set_user_attr(f"{StudyAttrs.STEER}{target_of(what, None)}", order.to_json())
    with Heartbeat(parts.study) as heartbeat:
        OrderTags(parts.study, parts.run, parts.client, heartbeat.sweep_id).note()
    assert parts.tags(parts.run.id)[Tags.STEERED].startswith("resumed by a command")


def test_a_store_that_fails_does_not_fail_the_sweep(parts: Parts) -> None:
    parts.client.delete_run(parts.run.id)
    with Heartbeat(parts.study) as heartbeat:
        tags = OrderTags(parts.study, parts.run, parts.client, heartbeat.sweep_id)
        give_order(parts.study, "stop", None, by="rnnexp stop", who="ann@laptop")
        with pytest.raises(Exception, match="deleted"):
            tags.note()
        tags.on_start()
        tags.on_end()
    parts.client.restore_run(parts.run.id)  # which the fixture ends
