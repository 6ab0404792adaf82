import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, cast

import pytest
from omegaconf import DictConfig

from rnnexp.execution.application_hooks import QUIET, modules_of_jobs, run_check
from rnnexp.execution.launching import Jobs


class ThreadJobs:
    def call(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        with_result = ThreadPoolExecutor(1)
        try:
            return with_result.submit(function, *args)
        finally:
            with_result.shutdown(wait=False)


def quick(configs: Sequence[DictConfig]) -> list[str]:  # noqa: ARG001
    return ["wrong"]


def slow(configs: Sequence[DictConfig]) -> list[str]:
    time.sleep(QUIET + 0.5)
    return quick(configs)


@pytest.mark.parametrize(("check", "lines"), [(quick, 0), (slow, 1)])
def test_a_check_that_takes_long_says_so(
    check: Callable[[Sequence[DictConfig]], list[str]],
    lines: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    configs = [DictConfig({})] * 3
    assert run_check(check, configs, cast(Jobs, ThreadJobs())) == ["wrong"]
    expected = ["before trial 0, checking 3 configs that stand for all trials"]
    assert [record.message for record in caplog.records] == expected * lines


def test_workers_import_the_modules_of_the_applications_functions() -> None:
    settings = {"check": "a.b.check", "evaluate": None, "publish": "a.b.publish"}
    assert modules_of_jobs(settings) == ["rnnexp.execution.trial_task", "a.b"]
