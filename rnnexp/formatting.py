"""Figures as people read them."""

import math
from collections.abc import Iterable


def format_seconds(seconds: float) -> str:
    """Seconds as ``1:05`` or ``2:00:05``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_value(value: object, absent: str = "") -> str:
    """A value in short: floats with four digits; `absent` for None."""
    if value is None:
        return absent
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def format_exact(value: object) -> str:
    """A setting to the last digit; a dash for what isn't there."""
    return "-" if value is None else str(value)


def format_column(values: Iterable[object], decimals: int | None = None) -> list[str]:
    """The values of a column; measured numbers have the same decimals, so that they line up.

    Args:
        values: Of which only floats are measured.
        decimals: How many; None for as many as show four digits, or more of small numbers.
    """
    values = list(values)
    sizes = [abs(v) for v in values if isinstance(v, float) and v and math.isfinite(v)]
    if decimals is None and sizes and min(sizes) >= 0.001 and max(sizes) < 100_000:
        decimals = 4 if max(sizes) < 10 else 1
    if decimals is None:
        return [format_value(value) for value in values]
    return [f"{v:.{decimals}f}" if isinstance(v, float) else format_value(v) for v in values]
