"""Text for people: numbers, durations, the nearest known name; and values read from text."""

import math
from collections.abc import Iterable
from difflib import get_close_matches

_CONSTANTS = {"True": True, "False": False, "None": None}


def format_seconds(seconds: float) -> str:
    """Format seconds as ``1:05`` or ``2:00:05``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_size(n_bytes: int) -> str:
    """Format a number of bytes in MB, as ``12.3 MB``."""
    return f"{n_bytes / 1e6:.1f} MB"


def format_value(value: object, absent: str = "") -> str:
    """Format a value in short: a float with four digits; None as ``absent``."""
    if value is None:
        return absent
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def whole(value: float) -> float:
    """Return a number of at least 10 without a fraction, such as a count, as an integer."""
    return int(value) if abs(value) >= 10 and float(value).is_integer() else value


def format_exact(value: object) -> str:
    """Format a value to the last digit; None as a dash."""
    return "-" if value is None else str(value)


def read_value(text: str) -> str | int | float | bool | None:
    """Return the value that a text was written from, as by `str`."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def format_column(values: Iterable[object], decimals: int | None = None) -> list[str]:
    """Format the values of a column; floats get the same decimals, so that they line up.

    Args:
        values: The column's values, of any types.
        decimals: The number of decimals; None for as many as show four digits, or more where
            there are small numbers.
    """
    values = list(values)
    sizes = [abs(v) for v in values if isinstance(v, float) and v and math.isfinite(v)]
    if decimals is None and sizes and min(sizes) >= 0.001 and max(sizes) < 100_000:
        decimals = 4 if max(sizes) < 10 else 1
    if decimals is None:
        return [format_value(value) for value in values]
    return [f"{v:.{decimals}f}" if isinstance(v, float) else format_value(v) for v in values]


def did_you_mean(name: str, known: Iterable[str], n: int = 3) -> str:
    """Return the end of a message on an unknown name: ``; did you mean lstm or gru?``.

    Args:
        name: The unknown name.
        known: The names that there are; upper and lower case count as equal.
        n: The largest number of names to offer.

    Returns:
        The hint; empty if no known name is near.
    """
    by_lower = {text.lower(): text for text in known}
    near = [by_lower[text] for text in get_close_matches(name.lower(), by_lower, n=n)]
    return f"; did you mean {' or '.join(near)}?" if near else ""
