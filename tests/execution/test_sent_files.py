"""Files that a sweep sends to the machines of its workers."""

from pathlib import Path

import pytest
from distributed import Client

from rnnexp.config_files import absolute_path, path_here
from rnnexp.errors import ConfigError
from rnnexp.execution import sent_files
from rnnexp.execution.dask_slots import files_of
from tests.execution.test_dask_jobs import jobs_on
from tests.helpers.calls import SECONDS
from tests.helpers.dask_cluster import dask_cluster
from tests.helpers.processes import wait_until

CONTENT = bytes(range(256)) * 40_000  # two pieces


def test_a_machine_without_the_files_gets_them_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine has another cache, and has no file at the path of the sweep's file."""
    monkeypatch.chdir(tmp_path)
    file, cache = tmp_path / "train.csv", tmp_path / "cache of b"
    file.write_bytes(CONTENT)
    with dask_cluster(tmp_path, "a") as cluster, Client(cluster.address) as client:
        with jobs_on(cluster.address, send_data=True) as jobs:
            assert jobs.problems() == []
            assert jobs.send([str(file)]) == [str(file)]
            assert jobs.call(path_here, file.name).result(SECONDS) == file
            cluster.kill_worker("a")
            file.unlink()
            for name in "bc":
                cluster.start_worker(name, XDG_CACHE_HOME=str(cache))
            wait_until(lambda: jobs.n_jobs == 2)
            both = [jobs.call(path_here, file.name) for _ in range(2)]
            (here,) = {call.result(SECONDS) for call in both}
            assert here.read_bytes() == CONTENT
            assert list(cache.rglob(file.name)) == [here]
            assert jobs.call(absolute_path, file.name).result(SECONDS) == str(file)
            assert jobs.unseen([str(file)]) == {}
            name = files_of(jobs._name)
            assert client.get_metadata([name, str(file), 0])
        assert client.get_metadata([name]) is None


def test_nothing_is_sent_unless_it_was_asked_for(tmp_path: Path) -> None:
    with jobs_on("tcp://127.0.0.1:1") as jobs:
        assert list(jobs.send([str(tmp_path / "train.csv")])) == []


def test_files_that_are_too_large(tmp_path: Path) -> None:
    with (tmp_path / "train.csv").open("wb") as file:
        file.truncate(sent_files.MOST + 1)
    with (
        jobs_on("tcp://127.0.0.1:1", send_data=True) as jobs,
        pytest.raises(ConfigError, match=r"train\.csv 1,024 MB\) are more than 1,024 MB"),
    ):
        jobs.send([str(tmp_path / "train.csv")])
