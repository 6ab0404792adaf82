"""What is told of a study in words and tables: as Markdown, as HTML, as MLflow's note."""

from collections.abc import Sequence
from html import escape
from textwrap import shorten

from optuna.trial import FrozenTrial, TrialState

from rnnexp.formatting import format_exact, format_seconds, format_value
from rnnexp.report.plots import Plot
from rnnexp.report.snapshot import ENDED, Row, Snapshot

OVERVIEW = "overview.png"
LONGEST = 5000  # characters of a note, which MLflow stores as a tag
REASON = 80  # characters of a reason in the table; the whole stands in the trial's run
Table = tuple[Sequence[str], Sequence[Sequence[str]]]  # head, rows


def note(snapshot: Snapshot) -> str:
    """What was searched and what came out, in a few lines of Markdown."""
    searched = ", ".join(
        f"`{snapshot.labels[key]}` {grammar}" for key, grammar in snapshot.searched.items()
    )
    verb = snapshot.direction.name.lower()
    lines = [
        _state(snapshot),
        f"Searched to {verb} {snapshot.monitor}: {searched}.",
        _best(snapshot),
    ]
    if isinstance(snapshot.importances, dict):
        told = list(snapshot.importances.items())[:3]
        lines.append("Most telling: " + ", ".join(f"`{key}` ({share:.2f})" for key, share in told))
    if saved := _saved(snapshot):
        lines.append(saved)
    lines.append("Plots and the table of trials: `report.html`, `report.md` among the artifacts.")
    return "\n\n".join(lines)[:LONGEST]


def markdown(snapshot: Snapshot, plots: Sequence[Plot]) -> str:
    """The report as Markdown, with the picture beside it."""
    parts = [f"# {snapshot.name}", *_lines(snapshot), _as_markdown(_best_setting(snapshot))]
    if snapshot.command:
        parts += ["Train the best setting again:", f"```sh\n{snapshot.command}\n```"]
    parts += [f"![overview]({OVERVIEW})", "All plots, to look into: `report.html`."]
    parts += [f"{plot.title}: {plot.text}" for plot in plots if plot.figure is None]
    parts += ["## Spent", _as_markdown(_spent(snapshot))]
    parts += ["## Trials", _as_markdown(_trials(snapshot))]
    return "\n\n".join(part for part in parts if part) + "\n"


def html(snapshot: Snapshot, plots: Sequence[Plot]) -> str:
    """The report as one file that needs no other, nor a network.

    MLflow shows it in a frame that can load nothing, so plotly.js is in it, once.
    """
    from plotly.io import to_html
    from plotly.offline import get_plotlyjs

    parts = [f"<h1>{escape(snapshot.name)}</h1>"]
    parts += [f"<p>{escape(line)}</p>" for line in _lines(snapshot)]
    parts.append(_as_html(_best_setting(snapshot)))
    if snapshot.command:
        parts.append(f"<p>Train the best setting again:</p><pre>{escape(snapshot.command)}</pre>")
    for plot in plots:
        parts.append(f"<h2>{escape(plot.title)}</h2><p>{escape(plot.text)}</p>")
        if plot.figure:
            drawn = to_html(plot.figure, include_plotlyjs=False, full_html=False, config=CONFIG)
            parts.append(f'<div class="wide">{drawn}</div>')
    parts += ["<h2>Spent</h2>", _as_html(_spent(snapshot))]
    parts += ["<h2>Trials</h2>", _as_html(_trials(snapshot))]
    return PAGE.format(
        title=escape(snapshot.name), plotly=get_plotlyjs(), body="\n".join(filter(None, parts))
    )


def _lines(snapshot: Snapshot) -> list[str]:
    known = [_state(snapshot), _best(snapshot), _saved(snapshot)]
    return [line.replace("`", "") for line in known if line]


def _state(snapshot: Snapshot) -> str:
    states = [trial.state for trial in snapshot.trials]
    words = ("complete", "pruned", "failed", "running")
    told = (
        f"{states.count(state)} {word}"
        for state, word in zip((*ENDED, TrialState.RUNNING), words, strict=True)
        if state in ENDED or state in states
    )
    until = f", until {snapshot.until:%Y-%m-%d %H:%M:%S}" if snapshot.until else ""
    ended = f" It ended because {snapshot.ended}." if snapshot.ended else ""
    took = format_seconds(snapshot.took.total_seconds())
    return f"{len(states)} trials in {took}{until}: {', '.join(told)}.{ended}"


def _best(snapshot: Snapshot) -> str:
    best = snapshot.best
    if best is None:
        return "No trial has completed yet."
    row = next(row for row in snapshot.rows if row.trial is best)
    setting = " ".join(f"{snapshot.labels[k]}={format_value(v)}" for k, v in best.params.items())
    at = "" if row.best_epoch is None else f" at epoch {row.best_epoch}"
    tested = ", ".join(
        f"test {name} {format_value(score)}" for name, score in snapshot.scores.items()
    )
    return (
        f"Best: trial {best.number} with {snapshot.monitor} {format_value(best.value)}{at}: "
        f"`{setting}`{f'; {tested}' if tested else ''}."
    )


def _saved(snapshot: Snapshot) -> str:
    if snapshot.saved is None:
        return ""
    epochs, seconds = snapshot.saved
    whole = epochs + sum(spent.epochs for spent in snapshot.spent.values())
    return (
        f"Pruning saved about {epochs} of {whole} epochs ({epochs / whole:.0%}) and "
        f"{format_seconds(seconds)} of training, if pruned trials had gone as far as the median "
        "of the complete ones."
    )


def _best_setting(snapshot: Snapshot) -> Table:
    params = snapshot.best.params if snapshot.best else {}
    return ("key", "best"), [(key, format_exact(value)) for key, value in params.items()]


def _spent(snapshot: Snapshot) -> Table:
    rows = [
        (state.name, str(spent.trials), str(spent.epochs), f"{spent.seconds:.1f}")
        for state, spent in snapshot.spent.items()
    ]
    return ("state", "trials", "epochs", "seconds"), rows


def _trials(snapshot: Snapshot) -> Table:
    keys = list(snapshot.labels)
    head = [
        "trial", "state", *snapshot.labels.values(), f"best {snapshot.monitor}", "best epoch",
        "epochs", "seconds", "run", "reason",
    ]  # fmt: skip
    return head, [_cells(row, keys, snapshot.best) for row in snapshot.rows]


def _cells(row: Row, keys: Sequence[str], best: FrozenTrial | None) -> list[str]:
    trial = row.trial
    return [
        str(trial.number),
        f"{trial.state.name}, best" if trial is best else trial.state.name,
        *(format_value(trial.params[key]) if key in trial.params else "" for key in keys),
        format_value(row.best_value),
        format_value(row.best_epoch),
        str(row.epochs),
        "" if row.seconds is None else f"{row.seconds:.1f}",
        row.run_id,
        shorten(row.reason, REASON, placeholder=" …"),
    ]


def _as_markdown(table: Table) -> str:
    head, rows = table
    lines = [head, ["---"] * len(head), *rows]
    cells = ([cell.replace("|", r"\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells) if rows else ""


def _as_html(table: Table) -> str:
    head, rows = table
    if not rows:
        return ""
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    lines = [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows]
    body = "\n".join(lines)
    return f'<div class="wide"><table><tr>{titles}</tr>\n{body}</table></div>'


CONFIG = {"displaylogo": False, "responsive": True}
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 1150px; padding: 1em; }}
h1 {{ font-size: 1.5em; }}
h2 {{ font-size: 1.15em; margin: 1.8em 0 0; }}
p {{ margin: .4em 0; }}
pre {{ background: #f4f4f4; padding: .6em; white-space: pre-wrap; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: 13px; margin: .6em 0; }}
td, th {{ border-bottom: 1px solid #ddd; padding: .2em .7em .2em 0; text-align: left; }}
td, th {{ white-space: nowrap; }}
</style>
<script>{plotly}</script>
</head>
<body>
{body}
</body>
</html>
"""
