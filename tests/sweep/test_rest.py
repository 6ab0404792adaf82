import logging
import time

import pytest

from rnnexp.orders import Order
from rnnexp.sweep.rest import Rest

GIVEN = {"by": "rnnexp", "who": "ann", "when": "now"}
PAUSE, STOP = Order("pause", **GIVEN), Order("stop", **GIVEN)


@pytest.mark.parametrize(
    ("orders", "is_on", "is_over", "lines"),
    [
        ([None], False, False, []),
        ([PAUSE, PAUSE], True, False, ["paused"]),
        ([PAUSE, None, None], False, False, ["paused", "goes on"]),
        ([STOP], False, True, ["stopped"]),
        ([PAUSE, STOP], False, True, ["paused", "stopped"]),
        ([STOP, PAUSE], True, False, ["stopped", "paused"]),
    ],
)
def test_when_a_sweep_rests(
    caplog: pytest.LogCaptureFixture,
    orders: list[Order | None],
    is_on: bool,
    is_over: bool,
    lines: list[str],
) -> None:
    rest = Rest("my study")
    with caplog.at_level(logging.WARNING):
        for order in orders:
            rest.note(order)
    assert (rest.is_on, rest.is_over) == (is_on, is_over)
    assert len(caplog.messages) == len(lines)
    for message, line in zip(caplog.messages, lines, strict=True):
        assert line in message
        assert ("rnnexp resume 'my study'" in message) == (line == "paused")


def test_a_rest_does_not_count() -> None:
    rest, began = Rest("s"), time.monotonic()
    rest.note(PAUSE)
    before = rest.seconds
    time.sleep(0.1)
    assert rest.seconds == before
    rest.note(None)
    time.sleep(0.01)
    assert before < rest.seconds < time.monotonic() - began - 0.09
