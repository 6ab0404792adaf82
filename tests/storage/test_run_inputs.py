"""The datasets of a run, read back through MLflow's own client."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow.data
import pytest
from mlflow.entities import DatasetInput
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from rnnexp.storage.in_memory_tracker import MemoryTracker
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.storage.outbox import Outbox, deliver_all
from rnnexp.storage.run_inputs import log_inputs
from rnnexp.storage.schema import Files


def dataset(context: str, digest: str = "abc", source: str = "/a/train.csv") -> dict[str, str]:
    return {
        "name": "train.csv", "digest": f"{digest}-{context}", "context": context,
        "source_type": "local", "source": f'{{"uri": "{source}"}}',
        "schema": '{"mlflow_colspec": []}', "profile": '{"num_rows": 3}',
    }  # fmt: skip


DATASETS = [dataset("training"), dataset("validation"), dataset("testing")]


@pytest.fixture
def tracker(tmp_path: Path) -> Tracker:
    return Tracker(f"sqlite:///{tmp_path}/mlflow.db", "test")


def run_of(tracker: Tracker) -> str:
    with tracker.run("a", tags={}, params={}) as run:
        return run.id


def inputs_of(tracker: Tracker, run_id: str) -> list[DatasetInput]:
    return list(tracker.client().get_run(run_id).inputs.dataset_inputs)


def contexts(inputs: Sequence[DatasetInput]) -> list[str]:
    return sorted(tag.value for one in inputs for tag in one.tags)


def test_a_run_is_found_by_its_datasets(tracker: Tracker) -> None:
    runs = []
    for digest in ("abc", "def"):
        with tracker.run("a", tags={}, params={}) as run:
            run.log_inputs([dataset("training", digest), dataset("testing", digest)])
            run.log_inputs([dataset("training", digest), dataset("testing", digest)])  # resumed
        runs.append(run)
    first, _ = runs
    inputs = inputs_of(tracker, first.id)
    assert contexts(inputs) == ["testing", "training"]
    assert mlflow.data.get_source(inputs[0]).uri == "/a/train.csv"
    client = tracker.client()
    for query, ids in (
        ("dataset.digest = 'abc-training'", {first.id}),
        ("dataset.digest LIKE 'abc%'", {first.id}),
        ("dataset.name = 'train.csv' and dataset.context = 'testing'", {run.id for run in runs}),
    ):
        found = client.search_runs([first.experiment_id], query)
        assert {run.info.run_id for run in found} == ids, query


def test_runs_that_begin_at_the_same_moment_share_their_datasets(tracker: Tracker) -> None:
    runs = [run_of(tracker) for _ in range(8)]
    client = tracker.client()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda run_id: log_inputs(client, run_id, DATASETS), runs))
    for run_id in runs:
        assert contexts(inputs_of(tracker, run_id)) == ["testing", "training", "validation"]


class Away(MlflowClient):
    """A client whose store takes no datasets while `away` is set, or does, and does not say so."""

    away: Exception | None = None
    is_lost = False

    def log_inputs(self, *args, **kwargs):  # type: ignore[no-untyped-def] # noqa: ANN002, ANN003, ANN201
        if self.is_lost:
            super().log_inputs(*args, **kwargs)
        if self.away:
            raise self.away
        return super().log_inputs(*args, **kwargs)


@pytest.mark.parametrize("is_lost", [False, True])
def test_an_outage_neither_loses_nor_doubles_them(
    tracker: Tracker, tmp_path: Path, is_lost: bool
) -> None:
    run_id = run_of(tracker)
    client = Away(tracker.uri)
    client.away, client.is_lost = MlflowException("the server is gone"), is_lost
    outbox = Outbox(client, run_id, tmp_path / Files.OUTBOX)
    outbox.send({"kind": "inputs", "datasets": DATASETS})
    assert (tmp_path / Files.OUTBOX).exists()
    assert len(inputs_of(tracker, run_id)) == (3 if is_lost else 0)
    assert deliver_all(tmp_path) == (1, 0)
    assert contexts(inputs_of(tracker, run_id)) == ["testing", "training", "validation"]


def test_a_path_with_a_password_is_not_stored(tracker: Tracker) -> None:
    with tracker.run("a", tags={}, params={}) as run:
        run.log_inputs([dataset("training", source="https://me:secret@host/train.csv")])
    (found,) = inputs_of(tracker, run.id)
    assert "secret" not in found.dataset.source
    assert "https://me:***@host/train.csv" in found.dataset.source


def test_in_memory() -> None:
    with MemoryTracker().run("a", tags={}, params={}) as run:
        run.log_inputs(DATASETS)
        run.log_inputs(DATASETS)
    assert run.datasets == DATASETS
