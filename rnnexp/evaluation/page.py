"""An evaluation as HTML: a page of its own, and the same parts within a study's report."""

from html import escape
from textwrap import shorten
from typing import TYPE_CHECKING

from rnnexp import html_page
from rnnexp.evaluation.measures import BINS, MISTAKES, Curve, Evaluation
from rnnexp.evaluation.predictions import PROBABILITY
from rnnexp.evaluation.tables import class_rows, summary

if TYPE_CHECKING:
    import plotly.graph_objects as go

BLUE, GRAY = "#3b75af", "#999999"
LONGEST = 600  # characters of a text in the table of mistakes
NUMBERED = 20  # classes, with more of which the counts in the confusion matrix are left to hovering


def html(title: str, evaluation: Evaluation) -> str:
    """Write an evaluation as one HTML file."""
    return html_page.page(title, [f"<h1>{escape(title)}</h1>", *parts(evaluation)])


def parts(evaluation: Evaluation) -> list[str]:
    """Return the parts of an evaluation, as HTML, from its scores to its mistakes."""
    found = [f"<p>{escape(summary(evaluation))}</p>"]
    if evaluation.confusion:
        found += _section(
            "Confusion matrix",
            "The number of rows by their label and by what was predicted.",
            html_page.plot(_confusion(evaluation)),
        )
    if evaluation.by_class:
        head = ("class", "precision", "recall", "F1", "rows")
        found += _section(
            "Precision, recall and F1 by class",
            "Of its predictions, the share that is right; of its rows, the share that is found; "
            "and the harmonic mean of the two.",
            html_page.table((head, class_rows(evaluation))),
        )
    if evaluation.roc:
        found += _section(
            "Thresholds", _curves_text(evaluation), html_page.plot(_curves(evaluation))
        )
    if evaluation.residuals:
        found += _section(
            "Residuals",
            "What was predicted, less what is true: by the true number, and how often.",
            html_page.plot(_residuals(evaluation.residuals)),
        )
    return [*found, *_mistakes(evaluation)]


def _section(title: str, text: str, content: str) -> list[str]:
    return [f"<h2>{escape(title)}</h2><p>{escape(text)}</p>", content]


def _mistakes(evaluation: Evaluation) -> list[str]:
    if not evaluation.mistakes:
        return _section("Mistakes", "There are none.", "")
    size = "confidence" if evaluation.classes else "residual"
    rows = [
        [
            str(one.row), one.label, one.predicted, f"{one.confidence:.3f}",
            shorten(one.text, LONGEST, placeholder=" …"),
        ]
        for one in evaluation.mistakes
    ]  # fmt: skip
    title = "Most confident mistakes" if evaluation.classes else "Largest residuals"
    text = f"At most {MISTAKES}; wrong labels are often among them. Rows count from 1."
    table = html_page.table((("row", "label", "predicted", size, "text"), rows), "last-wraps")
    return _section(title, text, table)


def _confusion(evaluation: Evaluation) -> "go.Figure":
    import plotly.graph_objects as go

    names, counts = evaluation.classes, evaluation.confusion
    shares = [[n / max(1, sum(row)) for n in row] for row in counts]  # a rare class is seen as well
    figure = go.Figure(
        go.Heatmap(
            z=shares, x=names, y=names, text=counts, showscale=False,
            colorscale="Blues", zmin=0, zmax=1, xgap=2, ygap=2,
            texttemplate="%{text:,}" if len(names) <= NUMBERED else None,
            hovertemplate="%{y} predicted as %{x}: %{text:,} rows, %{z:.1%}<extra></extra>",
        )
    )  # fmt: skip
    side = 120 + min(600, 70 * len(names))
    figure.update_xaxes(title="predicted", type="category")
    figure.update_yaxes(title="label", type="category", autorange="reversed")
    return _styled(figure, height=side, width=side + 120)


def _curves_text(evaluation: Evaluation) -> str:
    second = evaluation.classes[1]
    text = (
        f"On the left, the share of the rows of {second} that a threshold finds, by the share of "
        "the others that it takes for them (ROC)."
    )
    if evaluation.calibration:
        text += (
            f" On the right, how often rows are {second}, by the predicted probability, in at most "
            f"{BINS} bins: on the line, the probabilities can be taken at their word."
        )
    return text


def _curves(evaluation: Evaluation) -> "go.Figure":
    from plotly.subplots import make_subplots

    roc, calibration = evaluation.roc or Curve([], []), evaluation.calibration
    titles = [f"ROC, area {roc.area:.3f}", *(["calibration"] if calibration else [])]
    figure = make_subplots(cols=len(titles), subplot_titles=titles, horizontal_spacing=0.12)
    line = {"color": BLUE, "width": 2}
    figure.add_scatter(x=roc.x, y=roc.y, mode="lines", line=line, row=1, col=1)
    figure.update_xaxes(title="false positive rate", row=1, col=1)
    figure.update_yaxes(title="true positive rate", row=1, col=1)
    if calibration:
        figure.add_scatter(
            x=calibration.x, y=calibration.y, mode="lines+markers", line=line, row=1, col=2,
            customdata=calibration.rows,
            hovertemplate="predicted %{x:.3f}, share %{y:.3f}, %{customdata:,} rows<extra></extra>",
        )  # fmt: skip
        figure.update_xaxes(title=f"predicted {PROBABILITY}", row=1, col=2)
        figure.update_yaxes(title=f"share of {evaluation.classes[1]}", row=1, col=2)
    for column in range(1, len(titles) + 1):
        dashed = {"color": GRAY, "width": 1, "dash": "dash"}
        figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line=dashed, row=1, col=column)
    return _styled(figure, height=420, width=460 * len(titles))


def _residuals(residuals: Curve) -> "go.Figure":
    from plotly.subplots import make_subplots

    figure = make_subplots(cols=2, column_widths=[0.65, 0.35], horizontal_spacing=0.12)
    marker = {"color": BLUE, "size": 5, "opacity": 0.6}
    figure.add_scatter(x=residuals.x, y=residuals.y, mode="markers", marker=marker, row=1, col=1)
    figure.add_hline(y=0, line={"color": GRAY, "width": 1, "dash": "dash"}, row=1, col=1)
    figure.add_histogram(x=residuals.y, marker={"color": BLUE}, row=1, col=2)
    figure.update_xaxes(title="true number", row=1, col=1)
    figure.update_yaxes(title="residual", row=1, col=1)
    figure.update_xaxes(title="residual", row=1, col=2)
    figure.update_yaxes(title="rows", row=1, col=2)
    return _styled(figure, height=420, width=1000)


def _styled(figure: "go.Figure", *, height: int, width: int) -> "go.Figure":
    return figure.update_layout(
        template="plotly_white", showlegend=False, height=height, width=width,
        margin={"l": 80, "r": 30, "t": 60, "b": 60},
    )  # fmt: skip
