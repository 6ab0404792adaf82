import math
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

import pytest
from hydra.core.utils import JobReturn, JobStatus

from rnnexp.result import Result, State
from rnnexp.sweep.loop import ending, too_many_failed

OK, PRUNED, FAIL = State.COMPLETE, State.PRUNED, State.FAIL


@pytest.mark.parametrize(
    ("ended", "rate", "stop"),
    [
        ([], 0.0, False),
        ([FAIL] * 4, 0.0, False),  # too few to judge
        ([FAIL] * 5, 0.0, True),
        ([FAIL] * 5, 1.0, False),
        ([FAIL] * 5 + [OK] * 5, 0.5, False),
        ([FAIL] * 6 + [OK] * 5, 0.5, True),
        ([FAIL] * 20 + [OK] * 11, 0.5, False),  # only the last 20 count
        ([PRUNED] * 15 + [FAIL] * 5, 0.2, True),
        ([PRUNED] * 16 + [FAIL] * 5, 0.25, False),
    ],
)
def test_too_many_failed(ended: list[State], rate: float, stop: bool) -> None:
    assert too_many_failed(ended, rate) is stop


def job(value: object, status: JobStatus = JobStatus.COMPLETED) -> Future[JobReturn]:
    returned = JobReturn(overrides=[], status=status)
    returned.return_value = value
    future: Future[JobReturn] = Future()
    future.set_result(returned)
    return future


def broken() -> Future[JobReturn]:
    future: Future[JobReturn] = Future()
    future.set_exception(BrokenProcessPool("gone"))
    return future


@pytest.mark.parametrize(
    ("returned", "state", "value", "reason"),
    [
        (job(Result(State.PRUNED, 0.5, 1, "weak")), State.PRUNED, 0.5, "weak"),
        (job(0.25), State.COMPLETE, 0.25, ""),
        (job("0.25"), State.COMPLETE, 0.25, ""),
        (job(math.nan), State.FAIL, None, "the job returned nan"),
        (job(-math.inf), State.FAIL, None, "the job returned -inf"),
        (job(None), State.FAIL, None, "the job returned None, which is not a number"),
        (job(OSError("disk"), JobStatus.FAILED), State.FAIL, None, "OSError: disk"),
        (broken(), State.FAIL, None, "its worker process died"),
    ],
)
def test_ending(
    returned: Future[JobReturn], state: State, value: float | None, reason: str
) -> None:
    result = ending(returned)
    assert (result.state, result.value, result.reason) == (state, value, reason)
