"""Recorded learning curves, read from this project's CSV files and from files of TaskSet's form."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

PATIENCE = 5  # of EarlyStopping, which ends a curve, as when curves.csv was recorded
NO_SETTINGS = ("study", "trial", "epoch", "val_loss")
OWN = tuple(
    Path(__file__).parents[1] / f"{name}.csv" for name in ("curves", "curves_gru", "curves_sweep")
)


@dataclass(frozen=True)
class Task:
    """The recorded trials of one search.

    Attributes:
        name: The task's name.
        curves: The losses of each trial by epoch; a last value may be NaN.
        settings: The settings of each trial as ``(trials, settings)``; None if unknown.
    """

    name: str
    curves: list[list[float]]
    settings: npt.NDArray[np.float64] | None = None

    @property
    def epochs(self) -> int:
        """The length of the longest curve."""
        return max(map(len, self.curves))

    def cut(self, epochs: int | None) -> Self:
        """Return the task with trials of at most this number of epochs; None for no limit."""
        return replace(self, curves=[curve[:epochs] for curve in self.curves])


def read(file: Path) -> list[Task]:
    """Read the tasks of a file: one of a CSV file, and each ``TASK/valid`` of an NPZ file."""
    if file.suffix == ".csv":
        return [_of_table(file)]
    with np.load(file) as arrays:
        names = [key.removesuffix("/valid") for key in arrays if key.endswith("/valid")]
        return [
            Task(
                name,
                [until_early_stopping(row) for row in arrays[f"{name}/valid"]],
                np.asarray(arrays[f"{name}/settings"], np.float64)
                if f"{name}/settings" in arrays
                else None,
            )
            for name in names
        ]


def _of_table(file: Path) -> Task:
    table = pd.read_csv(file)
    trials = [rows for _, rows in table.groupby(["study", "trial"])]
    columns = [name for name in table.columns if name not in NO_SETTINGS]
    settings = np.array([rows[columns].iloc[0].to_numpy(float) for rows in trials])
    return Task(file.stem, [list(rows.val_loss) for rows in trials], settings if columns else None)


def until_early_stopping(values: npt.NDArray[np.float32]) -> list[float]:
    """Cut a curve as EarlyStopping would; a curve that diverges ends with its first NaN."""
    best, since, curve = np.inf, 0, []
    for value in map(float, values):
        curve.append(value if np.isfinite(value) else np.nan)
        best, since = (value, 0) if value < best else (best, since + 1)
        if since >= PATIENCE or not np.isfinite(value):
            break
    return curve
