"""Jobs handed to a launcher that only knows Hydra's ``launch``."""

from collections.abc import Sequence

import pytest
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher

from rnnexp.execution.launching import Batches


class Counting(Launcher):
    """Numbers jobs as every launcher of Hydra's does, and fails where it is told to."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.launched: list[int] = []
        self.fails_at = fails_at

    def setup(self, **_: object) -> None:
        """Nothing is needed."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        if initial_job_idx == self.fails_at:
            raise KeyboardInterrupt
        self.launched.append(initial_job_idx)
        return [
            JobReturn(overrides=[*overrides, str(number)])
            for number, overrides in enumerate(job_overrides, initial_job_idx)
        ]


@pytest.mark.parametrize(
    ("numbers", "launched"), [([0, 1, 2], [0]), ([3, 7, 8], [3, 7]), ([9, 4, 5], [4, 9]), ([], [])]
)
def test_a_job_has_its_trials_number_also_where_numbers_have_gaps(
    numbers: list[int], launched: list[int]
) -> None:
    launcher = Counting()
    jobs = Batches(launcher, n_jobs=3)
    futures = {number: jobs.submit([f"x={number}"], number) for number in numbers}
    jobs.flush()
    assert launcher.launched == launched
    for number, future in futures.items():
        assert future.result().overrides == [f"x={number}", str(number)]


def test_nobody_waits_in_vain_for_what_was_not_launched() -> None:
    jobs = Batches(Counting(fails_at=5), n_jobs=3)
    futures = [jobs.submit([], number) for number in (2, 5, 8)]
    jobs.flush()
    assert futures[0].exception() is None
    assert isinstance(futures[1].exception(), KeyboardInterrupt)
    assert isinstance(futures[2].exception(), KeyboardInterrupt)
