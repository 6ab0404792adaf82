"""What the settings of a Dask cluster make of its workers."""

import pytest

from rnnexp import gpus
from rnnexp.execution.dask_settings import GPU, DaskSettings


@pytest.mark.parametrize(
    ("per_trial", "has", "threads", "n_slots"),
    [
        (1.0, 2, 8, 2),
        (0.5, 2, 8, 4),
        (0.5, 2, 3, 3),
        (0.4, 2, 8, 4),  # not 5: a trial can't be on two GPUs
        (0.3, 1, 8, 3),
        (2.0, 3, 8, 1),
        (1.0, 0, 8, 0),
    ],
)
def test_a_worker_has_as_many_slots_as_it_is_given_trials(
    per_trial: float, has: int, threads: int, n_slots: int
) -> None:
    settings = DaskSettings(address="tcp://host:8786", resources={GPU: per_trial, "memory": 1.0})
    worker = {"nthreads": threads, "resources": {GPU: has, "memory": 100.0}}
    assert settings.n_slots(worker) == n_slots
    assert settings.n_slots(worker) == min(threads, gpus.slots_of_gpus(has, per_trial))
    assert int(has / settings.needs[GPU] + 1e-9) == gpus.slots_of_gpus(has, per_trial)
    assert settings.needs["memory"] == 1.0
