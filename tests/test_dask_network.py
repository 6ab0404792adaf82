"""Sweeps on hosts that share nothing but a network, which cuts one off: nothing is lost or doubled.

The hosts of the workers don't see the folder of the sweep.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.cluster_parts import ClusterParts, cluster_parts
from tests.helpers.network import Network, network
from tests.helpers.processes import SECONDS, wait_until
from tests.test_dask_sweep import LIMIT, n_ended, parts  # noqa: F401
from tests.test_faults import (  # noqa: F401
    APP,
    OnServer,
    Start,
    assert_all_accounted_for,
    load_study,
    start,
    wait_for_a_trial,
)

pytestmark = pytest.mark.slow
FIRST, *WORKERS = "first", "a", "b"
N_TRIALS = 30


@pytest.fixture(scope="module")
def hosts() -> Iterator[Network]:
    with network(FIRST, *WORKERS) as built:
        yield built


@pytest.fixture(scope="module")
def started_parts(
    hosts: Network, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClusterParts]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP", "11s")  # the least that Dask takes
        with cluster_parts(tmp_path_factory.mktemp("parts"), hosts) as parts:
            yield parts


@pytest.mark.parametrize("is_joined", [True, False], ids=["for_30_seconds", "for_good"])
def test_a_host_is_cut_off(
    hosts: Network,
    parts: ClusterParts,  # noqa: F811
    start: Start,  # noqa: F811
    tmp_path: Path,
    is_joined: bool,
) -> None:
    options = "--nanny", "--nthreads", "2"  # with a nanny, as Dask's workers have by default
    parts.dask.within |= {name: hosts.within(name, tmp_path) for name in WORKERS}
    for name in WORKERS:
        parts.dask.start_worker(name, *options)
    sweep = start(
        *parts.overrides, "hydra.sweeper.study_name=s", f"hydra.sweeper.n_trials={N_TRIALS}",
        "hydra.sweeper.n_jobs=null", command=[*hosts.within(FIRST), *APP],
    )  # fmt: skip
    storage = parts.postgres.here("optuna")
    wait_for_a_trial(tmp_path, sweep, storage)
    study = load_study(storage)
    wait_until(lambda: n_ended(study) > 4)  # so that each slot has a trial
    hosts.cut("b")
    try:
        if is_joined:
            time.sleep(30)
            hosts.join("b")
        parts.dask.workers["b"].wait(SECONDS)  # Dask's workers end without their scheduler
        if is_joined:
            parts.dask.start_worker("b", *options)
        assert sweep.poll() is None
        out, _ = sweep.communicate(timeout=LIMIT)
        assert sweep.returncode == 0, out
    finally:
        hosts.join("b")
    assert_all_accounted_for(
        tmp_path, N_TRIALS, ended=OnServer(tmp_path, 0, out, "", parts.postgres)
    )
