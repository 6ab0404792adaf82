"""Workers of Dask that would have the same GPU."""

import pytest

from rnnexp.execution.dask_gpus import Claim, overlaps

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
