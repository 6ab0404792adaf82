"""The table of epochs that Keras's CSVLogger writes, which a resumed training continues."""

from pathlib import Path

import keras


def continue_table(logger: keras.callbacks.CSVLogger, first_epoch: int) -> None:
    """Let a CSVLogger append to its file, from which the rows of epochs to come are removed.

    A process may have died after it wrote the row of an epoch, and before the epoch was saved.

    Args:
        logger: The callback, before the training begins.
        first_epoch: The first epoch of the training.
    """
    file = Path(logger.filename)
    if not file.exists():
        return
    header, *rows = file.read_text(encoding="utf-8").splitlines(keepends=True) or [""]
    kept = [row for row in rows if _is_before(row, first_epoch, logger.sep)]
    if first_epoch:
        logger.append = True
    if kept != rows:
        file.write_text("".join([header, *kept]), encoding="utf-8")


def _is_before(row: str, first_epoch: int, separator: str) -> bool:
    epoch = row.split(separator, maxsplit=1)[0]
    return row.endswith("\n") and epoch.isdecimal() and int(epoch) < first_epoch
