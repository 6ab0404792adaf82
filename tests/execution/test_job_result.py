import errno
import math
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

import pytest
from hydra.core.utils import JobReturn, JobStatus

from rnnexp.execution.job_result import result_of, to_result
from rnnexp.result import Result, State


def job(value: object, status: JobStatus = JobStatus.COMPLETED) -> Future[JobReturn]:
    returned = JobReturn(overrides=[], status=status)
    returned.return_value = value
    future: Future[JobReturn] = Future()
    future.set_result(returned)
    return future


def failed(error: BaseException) -> Future[JobReturn]:
    future: Future[JobReturn] = Future()
    future.set_exception(error)
    return future


@pytest.mark.parametrize(
    ("ended", "state", "value", "reason"),
    [
        (job(Result(State.PRUNED, 0.5, 1, "weak")), State.PRUNED, 0.5, "weak"),
        (job(0.25), State.COMPLETE, 0.25, ""),
        (job("0.25"), State.COMPLETE, 0.25, ""),
        (job(math.nan), State.FAIL, None, "the job returned nan"),
        (job(-math.inf), State.FAIL, None, "the job returned -inf"),
        (job(None), State.FAIL, None, "the job returned None, which is not a number"),
        (job(OSError("disk"), JobStatus.FAILED), State.FAIL, None, "OSError: disk"),
        (failed(BrokenProcessPool("gone")), State.FAIL, None, "its worker process died"),
        (failed(OSError(errno.ENOSPC, "full")), State.FAIL, None, "the disk was full"),
        (failed(OSError(errno.EDQUOT, "over", "/a")), State.FAIL, None, "the disk was full: /a"),
        (failed(RuntimeError("No space left on device")), State.FAIL, None, "the disk was full"),
    ],
)
def test_the_result_of_a_job(
    ended: Future[JobReturn], state: State, value: float | None, reason: str
) -> None:
    result = result_of(ended)
    assert result
    assert (result.state, result.value, result.reason) == (state, value, reason)


def test_an_interrupted_job_has_no_result() -> None:
    assert result_of(failed(KeyboardInterrupt())) is None


@pytest.mark.parametrize(
    ("returned", "others", "expected"),
    [
        ((0.5, 3), ["size"], Result(State.COMPLETE, 0.5, measures={"size": 3.0})),
        (
            [0.5, 3, 1],
            ["size", "cost"],
            Result(State.COMPLETE, 0.5, measures={"size": 3, "cost": 1}),
        ),
        (0.5, ["size"], Result(State.COMPLETE, 0.5)),  # the job has measured the other
        ((0.5, math.nan), ["size"], Result(State.FAIL, reason="the job returned nan")),
    ],
)
def test_several_values(returned: object, others: list[str], expected: Result) -> None:
    assert to_result(returned, others) == expected


@pytest.mark.parametrize(("returned", "others"), [((0.5, 3), []), ((0.5,), ["size"])])
def test_another_number_of_values(returned: object, others: list[str]) -> None:
    assert "which is not a number" in to_result(returned, others).reason
