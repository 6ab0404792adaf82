"""A page of HTML that needs no other file and no network: headings, tables, plots.

MLflow shows such a file in a frame that can load nothing, so that plotly.js is in the file, once.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go

Table = tuple[Sequence[str], Sequence[Sequence[str]]]  # head, rows


def plot(figure: "go.Figure") -> str:
    """Return a plot as HTML, for a `page`."""
    from plotly.io import to_html

    drawn = to_html(figure, include_plotlyjs=False, full_html=False, config=CONFIG)
    return f'<div class="wide">{drawn}</div>'


def table(content: Table, kind: str = "") -> str:
    """Return a table as HTML; empty if the table has no rows.

    Args:
        content: The head and the rows.
        kind: ``last-wraps`` for long texts in the last column.
    """
    head, rows = content
    if not rows:
        return ""
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    lines = [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows]
    body = "\n".join(lines)
    style = f"wide {kind}".strip()
    return f'<div class="{style}"><table><tr>{titles}</tr>\n{body}</table></div>'


def page(title: str, parts: Iterable[str]) -> str:
    """Return a whole page.

    Args:
        title: The page's title.
        parts: The body, as HTML; empty parts are left out.
    """
    from plotly.offline import get_plotlyjs

    return PAGE.format(
        title=escape(title), plotly=get_plotlyjs(), body="\n".join(filter(None, parts))
    )


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
ul {{ margin: .4em 0; padding-left: 1.3em; }}
pre, code {{ background: #f4f4f4; }}
pre {{ padding: .6em; white-space: pre-wrap; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: 13px; margin: .6em 0; }}
td, th {{ border-bottom: 1px solid #ddd; padding: .2em .7em .2em 0; text-align: left; }}
td, th {{ white-space: nowrap; vertical-align: top; }}
.last-wraps td:last-child {{ white-space: normal; }}
</style>
<script>{plotly}</script>
</head>
<body>
{body}
</body>
</html>
"""
