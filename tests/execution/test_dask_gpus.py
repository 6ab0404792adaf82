"""Workers of Dask that would have the same GPU."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rnnexp.execution.dask_gpus import Claim, claim_here, overlaps
from rnnexp.machine import this_machine

HERE, THERE = ("here", 1.0), ("there", 1.0)


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({}, []),
        ({"a": Claim(HERE, 4)}, []),
        ({"a": Claim(HERE, 1), "b": Claim(THERE, 1)}, []),
        ({"a": Claim(HERE, 0.5), "b": Claim(HERE, 0.5)}, []),
        ({"a": Claim(HERE, 1), "b": Claim(HERE, 1)}, ["workers a, b on here"]),
        ({"b": Claim(HERE, 2), "a": Claim(HERE, 0.5)}, ["workers a, b on here"]),
        (
            # Containers of one name are not one machine.
            {"a": Claim(HERE, 1), "b": Claim(("here", 2.0), 1), "c": Claim(HERE, 1)},
            ["workers a, c on here"],
        ),
    ],
)
def test_overlaps(claims: dict[str, Claim], expected: list[str]) -> None:
    found = overlaps(claims)
    assert len(found) == bool(expected)
    for part in expected:
        assert part in found[0]


@pytest.mark.parametrize(
    ("resources", "gpus", "told", "expected"),
    [
        ({"GPU": 2.0}, 2, None, 2.0),
        ({"GPU": 2.0}, 2, "0,1", None),
        ({"GPU": 2.0}, 0, None, None),  # as on a machine on which a cluster is only tried
        ({}, 2, None, None),
    ],
)
def test_the_claim_of_a_worker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, resources: dict[str, float], gpus: int,
    told: str | None, expected: float | None,
) -> None:  # fmt: skip
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if told:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", told)
    for number in range(gpus):
        (tmp_path / str(number)).mkdir()
    worker = cast(Any, SimpleNamespace(state=SimpleNamespace(total_resources=resources)))
    claim = claim_here(worker, tmp_path)
    assert claim == (None if expected is None else Claim(this_machine(), expected))
