"""What to try next: rules on the stored trials, each of which may give a sentence."""

import math
import shlex
from collections.abc import Callable, Mapping

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from rnnexp.formatting import format_value
from rnnexp.number_ranges import is_number
from rnnexp.report.snapshot import RUNNING, Snapshot
from rnnexp.result import State

NEAR = 0.05  # of a range, in which a value counts as at its edge
TRIALS_PER_KEY = 10  # fewer leave most of a range untried
CHOICES = 3  # numbers to choose from; of fewer, each is at an end
TRIED = 5  # trials, the fewest by which a choice is judged
STOPPED = 0.8  # the share of stopped trials from which on a choice looks hopeless
LATE = 0.1  # the last part of a training, or of the trials of a study
EPOCHS = 3  # fewer have no trend


def next_steps(snapshot: Snapshot) -> list[str]:
    """Return what to try next, in sentences; empty without a complete trial."""
    if snapshot.best is None:
        return []
    return [sentence for rule in RULES for sentence in rule(snapshot)]


def margin_within_noise(snapshot: Snapshot) -> list[str]:
    """Advise to confirm a best trial that is hardly better than the runner-up.

    The noise is by how much the epoch before and the epoch after the best one are worse, whichever
    is less.
    """
    best, values = snapshot.best, sorted(snapshot.completed_values, key=snapshot.objective.sort_key)
    found = snapshot.objective.best(best.intermediate_values) if best else None
    if best is None or found is None or len(values) < 2 or not snapshot.objectives.is_plain:
        return []  # with several objectives, the runner-up may be better by the first
    beside = [best.intermediate_values.get(found[0] + step) for step in (-1, 1)]
    known = [value for value in beside if value is not None and math.isfinite(value)]
    if len(known) < 2:
        return []
    noise = min(snapshot.objective.margin(found[1], value) for value in known)
    margin = snapshot.objective.margin(values[0], values[1])
    if margin >= noise:
        return []
    return [
        "Confirm the best trial with other seeds: it is better than the runner-up by "
        f"{margin:.2g}, but the epochs next to its best one are worse by at least "
        f"{noise:.2g}. `rnnexp confirm {shlex.quote(snapshot.name)}` does that."
    ]


def still_improving(snapshot: Snapshot) -> list[str]:
    """Advise to train for longer where the best trial was still improving at its end."""
    best = snapshot.best
    if best is None or len(best.intermediate_values) < EPOCHS:
        return []
    found = snapshot.objective.best(best.intermediate_values)
    first, last = min(best.intermediate_values), max(best.intermediate_values)
    if found is None or found[0] < last - LATE * (last - first):
        return []
    return [
        f"Train for longer: the best trial was still improving; its best value is that of epoch "
        f"{found[0]}, and its last epoch was {last}."
    ]


def edges_of_ranges(snapshot: Snapshot) -> list[str]:
    """Advise to widen the ranges at whose edge the best trial is."""
    best, sentences = snapshot.best, []
    if best is None:
        return []
    for key, value in best.params.items():
        side = edge_at(value, best.distributions[key])
        if side:
            label = snapshot.labels[key]
            end, further = side
            sentences.append(
                f"Search {label} {further}: the best trial has {format_value(value)}, at the {end} "
                f"end of what was searched."
            )
    return sentences


def edge_at(value: object, distribution: BaseDistribution) -> tuple[str, str] | None:
    """Return at which end of its range a value is, and where to search then.

    Neither 0, the natural end of a size, a rate or a patience, counts as an edge, nor 1 in a range
    from 0 to 1, nor any choice that is not a number.

    Args:
        value: The value.
        distribution: The distribution of its key.
    """
    found = _range(distribution)
    if found is None or not is_number(value):
        return None
    low, high, scale, near = found
    place = (scale(value) - scale(low)) / (scale(high) - scale(low))
    if place <= near and low != 0:
        return "lower", f"below {format_value(low)}"
    if place >= 1 - near and (low, high) != (0, 1):
        return "upper", f"above {format_value(high)}"
    return None


def _range(
    distribution: BaseDistribution,
) -> tuple[float, float, Callable[[float], float], float] | None:
    """Return the ends of a range, its scale, and the part of it that counts as its edge."""
    match distribution:
        case CategoricalDistribution(choices=choices):
            numbers = [choice for choice in choices if is_number(choice)]
            if len(numbers) == len(choices) >= CHOICES:
                return min(numbers), max(numbers), float, 0.0
        case (
            IntDistribution(low=low, high=high, log=log)
            | FloatDistribution(low=low, high=high, log=log)
        ):
            if low < high:
                return low, high, math.log if log else float, NEAR
    return None


def hopeless_choices(snapshot: Snapshot) -> list[str]:
    """Advise to leave out choices whose trials were nearly all stopped early."""
    best, sentences = snapshot.best, []
    for key, label in snapshot.labels.items():
        counts = _stopped_by_choice(snapshot, key)
        all_stopped = sum(stopped for stopped, _ in counts.values())
        all_tried = sum(tried for _, tried in counts.values())
        for choice, (stopped, tried) in counts.items():
            rest, rest_stopped = all_tried - tried, all_stopped - stopped
            is_hopeless = tried >= TRIED and stopped >= STOPPED * tried
            is_worse = rest >= TRIED and rest_stopped <= STOPPED / 2 * rest
            if is_hopeless and is_worse and not (best and str(best.params.get(key)) == choice):
                sentences.append(
                    f"Leave out {label}={choice}: {stopped} of its {tried} trials were stopped "
                    "early."
                )
    return sentences


def _stopped_by_choice(snapshot: Snapshot, key: str) -> Mapping[str, tuple[int, int]]:
    """Return the numbers of stopped trials, and of all, by choice of a key; none of a range."""
    found: dict[str, tuple[int, int]] = {}
    for row in snapshot.rows:
        ended = row.state in (State.COMPLETE, State.PRUNED, State.PAUSED)
        choices = isinstance(row.trial.distributions.get(key), CategoricalDistribution)
        if ended and choices:
            choice = str(row.trial.params[key])
            stopped, tried = found.get(choice, (0, 0))
            found[choice] = stopped + (row.state != State.COMPLETE), tried + 1
    return found


def few_trials(snapshot: Snapshot) -> list[str]:
    """Advise more trials where there are few for the number of keys; not while trials run."""
    tried = sum(row.best_value is not None for row in snapshot.rows)
    keys = len({key for row in snapshot.rows for key in row.trial.params})
    if tried >= TRIALS_PER_KEY * keys or any(row.state == RUNNING for row in snapshot.rows):
        return []
    return [
        f"Run more trials: {tried} are few for {keys} searched key{'s' if keys > 1 else ''}; "
        f"{TRIALS_PER_KEY * keys} would be {TRIALS_PER_KEY} for each."
    ]


def best_came_late(snapshot: Snapshot) -> list[str]:
    """Advise more trials where the best one was among the last; if it is not advised anyway."""
    best, n_trials = snapshot.best, len(snapshot.rows)
    if best is None or n_trials < TRIALS_PER_KEY or few_trials(snapshot):
        return []
    place = sum(row.trial.number <= best.number for row in snapshot.rows)
    if place <= (1 - LATE) * n_trials or any(row.state == RUNNING for row in snapshot.rows):
        return []
    return [f"Run more trials: the best was number {place} of {n_trials}; better ones may follow."]


RULES: tuple[Callable[[Snapshot], list[str]], ...] = (
    margin_within_noise,
    still_improving,
    edges_of_ranges,
    hopeless_choices,
    few_trials,
    best_came_late,
)
