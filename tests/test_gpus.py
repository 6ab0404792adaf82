"""Which GPUs a trial sees: rules, without a GPU."""

from pathlib import Path

import pytest

from rnnexp import gpus


@pytest.mark.parametrize(
    ("number", "per_trial", "slots"),
    [(0, 1, 0), (1, 1, 1), (4, 1, 4), (4, 2, 2), (5, 2, 2), (1, 0.5, 2), (2, 0.25, 8), (3, 0.3, 9)],
)
def test_slots(number: int, per_trial: float, slots: int) -> None:
    assert gpus.slots_of_gpus(number, per_trial) == slots


@pytest.mark.parametrize(
    ("per_trial", "seen"),
    [
        (1, [["a"], ["b"], ["c"], ["d"]]),
        (2, [["a", "b"], ["c", "d"]]),
        (0.5, [["a"], ["a"], ["b"], ["b"], ["c"], ["c"], ["d"], ["d"]]),
        (0.3, [["a"], ["a"], ["a"], ["b"]]),
    ],
)
def test_each_slot_sees_its_own(per_trial: float, seen: list[list[str]]) -> None:
    assert [gpus.gpus_of_slot(n, per_trial, list("abcd")) for n in range(len(seen))] == seen


@pytest.mark.parametrize(
    ("given", "visible"),
    [
        ("0", ["0"]),
        ("2, 3", ["2", "3"]),
        ("GPU-8f1c,GPU-77aa", ["GPU-8f1c", "GPU-77aa"]),
        ("", []),
        ("-1", []),
        ("0,-1,1", ["0"]),
    ],
)
def test_visible_gpus(given: str, visible: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(gpus.VISIBLE, given)
    assert gpus.visible_gpus() == visible


def test_all_gpus_of_the_driver_are_visible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(gpus.VISIBLE, raising=False)
    assert gpus.visible_gpus(tmp_path / "none") == []
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / name).mkdir()
    assert gpus.visible_gpus(tmp_path) == ["0", "1"]


@pytest.mark.parametrize(
    ("visible", "per_trial", "room"),
    [
        ("0,1", 1, 2),
        ("0,1", 0.5, 4),
        ("0,1", 3, 0),
        ("0,1", 0, None),
        ("", 1, None),
        ("0", None, None),
    ],
)
def test_room(
    visible: str, per_trial: float | None, room: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(gpus.VISIBLE, visible)
    assert gpus.room(per_trial) == room


@pytest.mark.parametrize("per_trial", [0, -1, 1.5, "1", True, float("nan")])
def test_what_is_no_number_of_gpus(per_trial: float) -> None:
    (problem,) = gpus.problems("key", per_trial)
    assert problem.startswith(f"key={per_trial}: must be a whole number of GPUs")


@pytest.mark.parametrize("per_trial", [1, 2.0, 0.5, 0.01])
def test_what_is_a_number_of_gpus(per_trial: float) -> None:
    assert gpus.problems("key", per_trial) == []


def test_a_process_sees_its_own_gpus_alone() -> None:
    assert gpus.environment(["1"])[gpus.VISIBLE] == "1"
    assert gpus.environment([]) == {gpus.VISIBLE: "-1", "JAX_PLATFORMS": "cpu"}
