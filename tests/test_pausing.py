"""Trials that pause and go on, in real sweeps."""

import pytest

from tests.helpers.commands import Command
from tests.helpers.pausing import PAUSING, TRAINING, WHOLE, assert_equal


@pytest.mark.slow
def test_a_trial_that_has_paused_is_equal_to_the_last_bit(command: Command) -> None:
    assert_equal(command(*TRAINING, *PAUSING), command(*TRAINING, *WHOLE))
