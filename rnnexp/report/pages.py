"""Texts and tables of a report: the HTML page, and the note in MLflow."""

import re
from collections.abc import Iterable, Sequence
from html import escape
from textwrap import shorten

from optuna.trial import FrozenTrial

from rnnexp import html_page
from rnnexp.evaluation import page as evaluation_page
from rnnexp.formatting import format_exact, format_seconds, format_value, whole
from rnnexp.html_page import Table, table
from rnnexp.objectives import winning_rule
from rnnexp.report.next_steps import next_steps
from rnnexp.report.plots import Plot
from rnnexp.report.savings import saved
from rnnexp.report.snapshot import STATES, Row, Snapshot
from rnnexp.report.why import in_short, what_decides, why_it_won
from rnnexp.result import State
from rnnexp.storage.optuna_store import is_paused, values_of
from rnnexp.storage.schema import Artifacts, Metrics, Tags

LONGEST = 5000  # characters of a note, which MLflow stores as a tag
REASON = 80  # characters of a reason in the table; the trial's run has all of it
ALWAYS = (State.COMPLETE, State.PRUNED, State.FAIL)  # counted also where there are none


def note(snapshot: Snapshot) -> str:
    """Write what was searched and what was found, in a few lines of Markdown."""
    searched = ", ".join(
        f"{_code(snapshot.labels[key])} {_code(grammar)}"
        for key, grammar in snapshot.searched.items()
    )
    lines = [
        _state(snapshot),
        f"Searched to {_and(f'{o.direction} {o.monitor}' for o in snapshot.objectives.all)}"
        f"{_where(snapshot)}: {searched}.",
        _best(snapshot),
    ]
    if snapshot.objectives.others:
        lines.append(_front(snapshot))
    if gains := in_short(snapshot):
        lines.append(gains)
    lines += what_decides(snapshot)
    if saved := _saved(snapshot):
        lines.append(saved)
    lines.append(f"Plots and the table of trials: `{Artifacts.REPORT}` among the artifacts.")
    return "\n\n".join(lines)[:LONGEST]


def _code(text: str) -> str:
    """Return a text as code in Markdown, also if it has backticks in it."""
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    edge = " " if "`" in text else ""
    return f"{fence}{edge}{text}{edge}{fence}"


def html(snapshot: Snapshot, plots: Sequence[Plot]) -> str:
    """Write the report as one HTML file, which needs no other file and no network.

    Args:
        snapshot: The study.
        plots: The study's plots, as from `rnnexp.report.plots.plots_of`.
    """
    parts = [f"<h1>{escape(snapshot.name)}</h1>"]
    lines = [line for line in (_state(snapshot), _best(snapshot), _saved(snapshot)) if line]
    parts += [f"<p>{escape(line.replace('`', ''))}</p>" for line in lines]
    if not snapshot.objectives.is_plain:
        parts.append(f"<p>{escape(_front(snapshot))}</p>")
    parts.append(_as_list("Why it won", why_it_won(snapshot)))
    parts.append(_as_list("What to try next", next_steps(snapshot)))
    parts.append(table(_best_params(snapshot)))
    if snapshot.command:
        parts.append(f"<p>Train the best trial again:</p><pre>{escape(snapshot.command)}</pre>")
    for plot in plots:
        parts.append(f"<h2>{escape(plot.title)}</h2><p>{escape(plot.text)}</p>")
        if plot.figure:
            parts.append(html_page.plot(plot.figure))
    if snapshot.evaluation:
        parts.append("<h1>The best model on the test part</h1>")
        parts += evaluation_page.parts(snapshot.evaluation)
    parts += ["<h2>Totals by state</h2>", table(_spent(snapshot))]
    parts += ["<h2>Trials</h2>", table(_trials(snapshot))]
    return html_page.page(snapshot.name, parts)


def _state(snapshot: Snapshot) -> str:
    states = [row.state for row in snapshot.rows]
    words = ("complete", "pruned", "failed", "paused", "running")
    counts = (
        f"{states.count(state)} {word}"
        for state, word in zip(STATES, words, strict=True)
        if state in ALWAYS or state in states
    )
    until = f", until {snapshot.until:%Y-%m-%d %H:%M:%S}" if snapshot.until else ""
    ended = f" Stopped: {snapshot.ended}." if snapshot.ended else ""
    took = format_seconds(snapshot.took.total_seconds())
    return f"{len(snapshot.trials)} trials in {took}{until}: {', '.join(counts)}.{ended}"


def _best(snapshot: Snapshot) -> str:
    row = next((row for row in snapshot.rows if row.trial is snapshot.best), None)
    tested = ", ".join(
        f"test {name} {format_value(score)}" for name, score in snapshot.scores.items()
    )
    is_any = "complete trial meets the constraints" if snapshot.complete else "trial is complete"
    found = f"No {is_any} yet."
    if row:
        found = f"Best: {_described(snapshot, row)}{f'; {tested}' if tested else ''}."
    if better := snapshot.best_unfinished:
        state = "paused" if is_paused(better.trial) else "still running"
        found += f" Better so far, but {state}: {_described(snapshot, better)}."
    return found


def _and(texts: Iterable[str]) -> str:
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last


def _where(snapshot: Snapshot) -> str:
    constraints = snapshot.objectives.constraints
    return f" where {_and(map(str, constraints))}" if constraints else ""


def _front(snapshot: Snapshot) -> str:
    """Say how the best trial was chosen, and between which trials."""
    rule = winning_rule(snapshot.objectives)
    rule = f"{rule[0].upper()}{rule[1:]}."
    if not snapshot.objectives.others:
        return rule
    front = [f"trial {trial.number}" for trial in snapshot.front] or ["none"]
    return f"{rule} On the front: {_and(front)}."


def _described(snapshot: Snapshot, row: Row) -> str:
    trial, monitor = row.trial, snapshot.objective.monitor
    params = " ".join(f"{snapshot.labels[k]}={format_value(v)}" for k, v in trial.params.items())
    at = "" if row.best_epoch is None else f" at epoch {row.best_epoch}"
    value = f"{monitor} {format_value(row.best_value)}"
    for name in snapshot.objectives.names:
        if name in row.measures:
            value += f", {name} {format_value(whole(row.measures[name]))}"
    return f"trial {trial.number} with {value}{at}: {_code(params)}"


def _saved(snapshot: Snapshot) -> str:
    if (found := saved(snapshot)) is None:
        return ""
    epochs, seconds = found
    whole = epochs + sum(spent.epochs for spent in snapshot.spent.values())
    return (
        f"Pruning saved about {epochs} of {whole} epochs ({epochs / whole:.0%}) and "
        f"{format_seconds(seconds)} of training, if the pruned trials had run for as many epochs "
        "as the median of the complete trials."
    )


def _best_params(snapshot: Snapshot) -> Table:
    params = snapshot.best.params if snapshot.best else {}
    defaults = {key: format_exact(value) for key, value in snapshot.defaults.items()}
    rows = [(key, defaults.get(key, ""), format_exact(value)) for key, value in params.items()]
    return ("key", "default", "best"), rows


def _spent(snapshot: Snapshot) -> Table:
    rows = [
        (state, str(spent.trials), str(spent.epochs), f"{spent.seconds:.1f}")
        for state, spent in snapshot.spent.items()
    ]
    return (Tags.STATE, "trials", Metrics.EPOCHS, Metrics.SECONDS), rows


def _trials(snapshot: Snapshot) -> Table:
    keys = list(snapshot.labels)
    names = [name for name in snapshot.objectives.names if name != Metrics.SECONDS]
    head = [
        Tags.TRIAL, Tags.STATE, *snapshot.labels.values(), f"best {snapshot.objective.monitor}",
        *names, "best epoch", Metrics.EPOCHS, Metrics.SECONDS, "run", Tags.REASON,
    ]  # fmt: skip
    rows = [_cells(row, keys, names, _marks(row.trial, snapshot)) for row in snapshot.rows]
    if len({row.host for row in snapshot.rows} - {""}) > 1:
        return [*head, Tags.HOST], [[*c, r.host] for c, r in zip(rows, snapshot.rows, strict=True)]
    return head, rows


def _marks(trial: FrozenTrial, snapshot: Snapshot) -> str:
    """Return whether a trial is the best, on the front, or breaks a constraint."""
    if trial is snapshot.best:
        return ", best"
    values = values_of(trial, snapshot.objectives)
    is_ended = trial.state.name in (State.COMPLETE, State.PRUNED)
    if is_ended and not snapshot.objectives.is_feasible(values):
        return ", breaks a constraint"
    return ", on the front" if snapshot.objectives.others and trial in snapshot.front else ""


def _cells(row: Row, keys: Sequence[str], names: Sequence[str], marks: str) -> list[str]:
    trial = row.trial
    return [
        str(trial.number),
        f"{row.state}{marks}",
        *(format_value(trial.params[key]) if key in trial.params else "" for key in keys),
        format_value(row.best_value) + ("" if row.std is None else f" ± {row.std:.2g}"),
        *(format_value(whole(row.measures[n])) if n in row.measures else "" for n in names),
        format_value(row.best_epoch),
        str(row.epochs),
        "" if row.seconds is None else f"{row.seconds:.1f}",
        row.run_id,
        shorten(row.reason, REASON, placeholder=" …"),
    ]


def _as_list(title: str, sentences: Sequence[str]) -> str:
    if not sentences:
        return ""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    items = re.sub("`(.+?)`", r"<code>\1</code>", items)
    return f"<h2>{title}</h2><ul>{items}</ul>"
