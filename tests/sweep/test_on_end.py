"""The user's own command at the end of a sweep."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from rnnexp.errors import SweepError
from rnnexp.sweep.on_end import environment_of, on_end_problems, run_on_end
from rnnexp.sweep.outcome import SweepOutcome
from tests.helpers.commands import Command
from tests.sweep.test_summary import OUTCOME


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (OUTCOME, "finished"),
        (replace(OUTCOME, error=KeyboardInterrupt()), "interrupted"),
        (replace(OUTCOME, error=SweepError("too many failed")), "failed"),
        (replace(OUTCOME, best=None), "failed"),
        (replace(OUTCOME, failed_steps={"evaluate": "no network"}), "failed"),
    ],
)
def test_what_a_command_is_told(outcome: SweepOutcome, state: str) -> None:
    told = environment_of(outcome)
    assert (told["RNNEXP_STUDY"], told["RNNEXP_STATE"]) == ("[red] s", state)
    assert told["RNNEXP_TRIALS"] == "4"
    assert told.get("RNNEXP_BEST_VALUE") == ("0.25" if outcome.best else None)


def test_a_command_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        run_on_end("echo no server >&2; exit 3", OUTCOME)
        run_on_end("exit 4", OUTCOME)
        run_on_end("true", OUTCOME)
        run_on_end(None, OUTCOME)
    assert [record.message for record in caplog.records] == [
        "hydra.sweeper.on_end has failed (exit code 3): no server",
        "hydra.sweeper.on_end has failed (exit code 4): it has printed no reason",
    ]


@pytest.mark.parametrize(
    ("command", "is_refused"), [(None, False), ("true", False), (" ", True), (3, True)]
)
def test_what_is_no_command(command: object, is_refused: bool) -> None:
    assert bool(on_end_problems(command)) is is_refused


def test_a_sweep_runs_it(app: Command, tmp_path: Path) -> None:
    ended = app(
        "-m", "hydra.sweeper.n_trials=2", "hydra.sweeper.study_name=s",
        f"hydra.sweeper.on_end='echo $RNNEXP_STATE $RNNEXP_BEST_VALUE > {tmp_path}/told'",
        path=tmp_path,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert (tmp_path / "told").read_text() == f"finished {ended.study().best_value}\n"
