import math
from typing import Literal

import pytest

from rnnexp.compare.text_plot import letter, plot
from rnnexp.objective import Objective

LOSS = Objective("loss", "min")


def test_curves_have_letters_without_color() -> None:
    falling = [(epoch, 1 / (epoch + 1)) for epoch in range(12)]
    rising = [(epoch, epoch / 12) for epoch in range(6)]
    drawn = plot({0: falling, 2: rising}, Objective("val_loss", "max"), 100)
    assert "\x1b" not in drawn
    lines = [line for line in drawn.splitlines() if " | " in line and "b" not in line][:-1]
    assert sum(line.count("a") for line in lines) == 11  # two points meet
    assert sum(line.count("c") for line in lines) == 6
    assert "a" in lines[0][:16]  # the first and greatest
    assert drawn.startswith("(val_loss) ^")
    assert drawn.splitlines()[-1].split() == ["|", *map(str, range(0, 13, 2))]


@pytest.mark.parametrize("width", [40, 60, 100, 160])
def test_it_fits(width: int) -> None:
    curve = [(epoch, float(epoch)) for epoch in range(1000)]
    drawn = plot({0: curve}, LOSS, width)
    assert max(map(len, drawn.splitlines())) <= max(width, 50)


@pytest.mark.parametrize("value", [0.0, 0.5, -1e9, 1e-12])
def test_a_single_epoch(value: float) -> None:
    assert plot({0: [(0, value)]}, LOSS, 80).count("a") == 1


def test_color_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in plot({0: [(0, 1.0), (1, 2.0)]}, LOSS, 80)


def test_nothing_to_draw() -> None:
    assert plot({0: [(0, math.nan), (1, math.inf)], 1: []}, LOSS, 80) == ""


def test_letters_go_round() -> None:
    assert (letter(0), letter(25), letter(26)) == ("a", "z", "a")


@pytest.mark.parametrize(("mode", "sign"), [("min", 1), ("max", -1)])
def test_an_outlier_flattens_nothing(mode: Literal["min", "max"], sign: int) -> None:
    good = [(epoch, sign * (0.5 - 0.05 * epoch)) for epoch in range(6)]
    diverged = [(0, sign * 0.5), (1, sign * 900.0), (2, sign * 31.0)]
    drawn = plot({0: good, 1: diverged}, Objective("value", mode), 80)
    *lines, note = drawn.splitlines()
    heights = {n for n, line in enumerate(lines) if "a" in line.partition("|")[2]}
    assert len(heights) >= 3  # the good curve is no flat line
    assert note.startswith("2 values worse than ")
    assert f"up to {sign * 900:.4g}, drawn at the edge" in note
    edge = next(n for n, line in enumerate(lines) if line.partition("|")[2].count("b") == 2)
    assert edge < min(heights) if mode == "min" else edge > max(heights)
