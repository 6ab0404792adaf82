"""The file of a CSVLogger in a training that goes on."""

from pathlib import Path

import keras
import pytest

from rnnexp.training.epoch_table import continue_table

HEAD = "epoch;loss\n"


@pytest.mark.parametrize(
    ("first_epoch", "written", "kept"),
    [
        (2, f"{HEAD}0;0.5\n1;0.4\n", f"{HEAD}0;0.5\n1;0.4\n"),
        (2, f"{HEAD}0;0.5\n1;0.4\n2;0.3\n", f"{HEAD}0;0.5\n1;0.4\n"),
        (2, f"{HEAD}0;0.5\n1;0.4\n2;0.", f"{HEAD}0;0.5\n1;0.4\n"),
        (12, f"{HEAD}11;0.5\n1", f"{HEAD}11;0.5\n"),  # killed amid the row of epoch 12
        (0, f"{HEAD}0;0.5\n1;0.4\n", HEAD),  # the backup was lost
        (1, "", ""),
    ],
)
def test_rows_of_epochs_to_come_are_removed(
    tmp_path: Path, first_epoch: int, written: str, kept: str
) -> None:
    file = tmp_path / "epochs.csv"
    file.write_text(written)
    logger = keras.callbacks.CSVLogger(str(file), separator=";")
    continue_table(logger, first_epoch)
    assert file.read_text() == kept
    assert logger.append == (first_epoch > 0)


def test_a_first_attempt_has_no_table(tmp_path: Path) -> None:
    continue_table(keras.callbacks.CSVLogger(str(tmp_path / "epochs.csv")), 0)
    assert list(tmp_path.iterdir()) == []
