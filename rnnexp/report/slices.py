"""The slices of a trial: when it ran, without the pauses between."""

from datetime import datetime

from optuna.trial import FrozenTrial

from rnnexp.storage.schema import TrialAttrs

Span = tuple[datetime, datetime]


def slices_of(trial: FrozenTrial) -> list[tuple[datetime, datetime | None]]:
    """Return the start and the end of each slice of a trial.

    A trial that was never paused has one slice, from its first start, also if it was retried.

    Args:
        trial: The trial.

    Returns:
        The slices in their order, with None for the end of a slice that runs; empty if the trial
        has not begun.
    """
    if not trial.datetime_start:
        return []
    stored = trial.user_attrs.get(TrialAttrs.SLICES)
    if not stored:
        return [(trial.datetime_start, trial.datetime_complete)]
    paused = [(_time(start), _time(end)) for start, end in stored]
    # As of other trials, the first slice begins with the first attempt. A trial that a resume has
    # made to go on with another's training has that one's slices, which are earlier.
    start = min(trial.datetime_start, paused[0][0])
    slices: list[tuple[datetime, datetime | None]] = [(start, paused[0][1]), *paused[1:]]
    # A trial that went on has written when; a trial that ended while it was paused did not go on.
    clock = trial.user_attrs.get(TrialAttrs.CLOCK)
    if clock and _time(clock["since"]) > paused[-1][1]:
        slices.append((_time(clock["since"]), trial.datetime_complete))
    return slices


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
