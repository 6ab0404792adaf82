"""Why the best trial is the best, in sentences."""

from collections.abc import Mapping, Sequence

from optuna.trial import FrozenTrial

from rnnexp.formatting import format_value
from rnnexp.report.ablation import ABSENT, Ablation, Change, Step
from rnnexp.report.importances import tiers
from rnnexp.report.snapshot import Snapshot

Labels = Mapping[str, str]  # short names by key


def why_it_won(snapshot: Snapshot) -> list[str]:
    """Return why the best trial is the best; empty without a complete trial."""
    best, found = snapshot.best, snapshot.ablation
    if best is None:
        return []
    if isinstance(found, str):
        return [f"Which change from the defaults earned what: {found}."]
    if not found.steps:
        return ["The best trial has the defaults of all searched keys.", *what_decides(snapshot)]
    sentences = [f"{snapshot.objective.monitor} {_both_ends(found, best)}"]
    sentences += [f"{gain}." for gain in _clear_gains(found, snapshot.labels)]
    if unclear := [step for step in found.steps if not step.is_clear]:
        changes = _listed([_step(step, snapshot.labels) for step in unclear])
        sentences.append(f"{changes}: no gain that can be told from chance.")
    if found.without_default:
        keys = _listed([snapshot.labels[key] for key in found.without_default])
        sentences.append(f"{keys}: the default is not among the searched values.")
    return [*sentences, *what_decides(snapshot), _method(found)]


def in_short(snapshot: Snapshot) -> str:
    """Return which changes from the defaults earned what; empty if that can't be told."""
    found = snapshot.ablation
    gains = [] if isinstance(found, str) else _clear_gains(found, snapshot.labels)
    if not gains:
        return ""
    return f"Estimated gains in {snapshot.objective.monitor}: {_listed(gains)}."


def _clear_gains(ablation: Ablation, labels: Labels) -> list[str]:
    return [
        f"{_step(step, labels)} earned {step.gain:.2g} ({step.low:.2g} to {step.high:.2g})"
        for step in ablation.steps
        if step.is_clear
    ]


def what_decides(snapshot: Snapshot) -> list[str]:
    """Return which keys decide most whether a trial is good; keys that overlap aren't ranked."""
    if isinstance(snapshot.importances, str):
        return []
    first, *others = tiers(snapshot.importances)
    names = _listed([f"{one.label} ({one.low:.2f} to {one.high:.2f})" for one in first])
    if len(first) == 1:
        return [f"Most important over all trials: {names}, as a share of all keys."]
    if others:
        return [f"Most important over all trials: {names}, which can't be told apart."]
    return [f"Which key is most important can't be told: {names} overlap."]


def _both_ends(ablation: Ablation, best: FrozenTrial) -> str:
    start, end = format_value(ablation.start), format_value(best.values[0])
    if ablation.trained is None:
        text = f"about {start} at the defaults, which were not trained,"
    elif ablation.is_measured:
        text = f"{start} at the defaults (trial {ablation.trained.number})"
    else:
        text = f"about {start} at the defaults, whose trial {ablation.trained.number} was stopped,"
    return f"went from {text} to {end} at trial {best.number}."


def _method(ablation: Ablation) -> str:
    estimated = "The gains" if ablation.is_measured else "The value at the defaults and the gains"
    return (
        f"{estimated} are estimates of random forests fitted on {ablation.n_trials} trials, which "
        f"explain {ablation.explained:.0%} of the differences between trials that they have not "
        "seen; nine of ten forests are within the parentheses. What the gains leave is chance, or "
        "what the forests can't tell."
    )


def _step(step: Step, labels: Labels) -> str:
    first, *others = (_change(change, labels) for change in step.changes)
    return f"{first} (with {_listed(others)})" if others else first


def _change(change: Change, labels: Labels) -> str:
    label, after = labels.get(change.key, change.key), format_value(change.after, "null")
    if change.after is ABSENT:
        return f"no {label}"
    if change.before is ABSENT:
        return f"{label} {after}"
    return f"{label} {format_value(change.before, 'null')} → {after}"


def _listed(texts: Sequence[str]) -> str:
    *before, last = texts
    return f"{', '.join(before)} and {last}" if before else last
