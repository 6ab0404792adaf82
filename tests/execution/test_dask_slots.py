"""The slots of a Dask worker, without a cluster."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rnnexp.execution.application_code import Code
from rnnexp.execution.dask_slots import StoppedError, TrialSlots
from tests.helpers.calls import hang


def test_a_call_that_waits_does_not_begin_after_an_interrupt(tmp_path: Path) -> None:
    worker: Any = SimpleNamespace(
        address="tcp://here:1",
        local_directory=tmp_path,
        plugins={},
        state=SimpleNamespace(nthreads=1),
    )
    slots = TrialSlots("sweep", {}, Code.of(tmp_path), str(tmp_path))
    slots.setup(worker)
    assert slots.interrupt(["waiting"], at_once=False) == []
    with pytest.raises(StoppedError):
        slots.run("waiting", 1, None, hang, str(tmp_path / "begun"))
    slots.teardown(worker)


def test_a_worker_without_a_gpu_among_others_with_some(tmp_path: Path) -> None:
    state = SimpleNamespace(nthreads=4, total_resources={})
    worker: Any = SimpleNamespace(
        address="tcp://here:1", local_directory=tmp_path, plugins={}, state=state
    )
    slots = TrialSlots("sweep", {"GPU": 1.0}, Code.of(tmp_path), str(tmp_path))
    slots.setup(worker)
    slots.teardown(worker)
