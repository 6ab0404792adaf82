import logging
import pickle
from collections.abc import Callable, Sequence

import pytest
from omegaconf import DictConfig

from rnnexp.execution.application_hooks import call_check
from rnnexp.training.checks.data_counts import log_counts

LINE = "data: 96 training, 24 validation, 40 test rows; by class 0: "


def test_each_line_is_logged_once(
    composed: Callable[..., DictConfig], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    log_counts([composed(), composed("data.maxlen=9"), composed("data.n_test=41")])
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert lines[0].startswith(LINE)
    assert "41 test rows" in lines[1]


def test_what_a_check_logs_comes_back_from_its_process(
    composed: Callable[..., DictConfig], caplog: pytest.LogCaptureFixture
) -> None:
    def check(configs: Sequence[DictConfig]) -> list[str]:
        log_counts(configs)
        return ["a problem"]

    check.__module__ = log_counts.__module__
    problems, records = call_check(check, [composed()])
    assert problems == ["a problem"]
    assert [record.levelname for record in pickle.loads(pickle.dumps(records))] == ["INFO"]  # noqa: S301
    assert records[0].getMessage().startswith(LINE)
    assert caplog.records == []
    assert logging.getLogger("rnnexp").propagate
