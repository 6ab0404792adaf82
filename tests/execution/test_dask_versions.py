"""Versions of packages on Dask's workers, compared with the sweep's."""

import pytest

from rnnexp.execution.dask_versions import differences

OWN = {"Python": "3.11", "rnnexp": "1.0", "keras": "3.15", "jax": "0.10", "optuna": "5.0"}


@pytest.mark.parametrize(
    ("workers", "expected"),
    [
        ({"a": OWN, "b": OWN}, []),
        (
            {"a": OWN | {"rnnexp": "0.9"}},
            ["worker a has rnnexp 0.9, but this sweep has rnnexp 1.0"],
        ),
        (
            {"b": OWN | {"Python": "3.12"}, "a": OWN | {"Python": "3.12"}, "c": OWN},
            ["workers a, b have Python 3.12, but this sweep has Python 3.11"],
        ),
        (
            {"a": {"Python": "3.11"}},
            ["worker a has no rnnexp, but this", "worker a has no keras, but this"],
        ),
        ({"a": {name: OWN[name] for name in ("Python", "rnnexp", "keras")}}, []),
        ({"a": OWN | {"optuna": "6.0"}}, ["worker a has optuna 6.0"]),
    ],
)
def test_differences(workers: dict[str, dict[str, str]], expected: list[str]) -> None:
    found = differences(OWN, workers)
    assert len(found) == len(expected)
    for message, part in zip(found, expected, strict=True):
        assert part in message
        assert message.endswith("install the same version on all machines")
