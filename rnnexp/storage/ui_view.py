"""A study as the UI of MLflow shows it at a glance: its runs alone, ranked, by what was searched.

By itself the UI's table has neither metrics nor params until a person picks them. A view that was
saved there is a tag of the experiment, which holds the page's state as JSON, compressed.
"""

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Literal

TAG = "mlflow.sharedViewState."  # before the view's id
LONGEST = 5000  # characters that MLflow's tags of an experiment may have
METRICS = ("best_value", "best_epoch", "epochs", "seconds")
TAGS = ("state", "reason")


def view(
    study: str, params: Sequence[str], direction: Literal["minimize", "maximize"], now: int
) -> str | None:
    """The tag's value; None if so much is searched that it would be too long.

    Args:
        study: The study's name, which is the view's as well.
        params: What is searched, as MLflow names it.
        direction: What counts as best.
        now: Milliseconds since the epoch.
    """
    state = {
        "searchFilter": _filter(study),
        "orderByKey": "metrics.`best_value`",
        "orderByAsc": direction == "minimize",
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [
            *(f"metrics.`{name}`" for name in METRICS),
            *(f"params.`{name}`" for name in params),
            *(f"tags.`{name}`" for name in TAGS),
        ],
        "columnOrder": [],
    }
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    named = {"name": study, "createdAt": now, "updatedAt": now, "state": f"deflate;{packed}"}
    text = json.dumps(named)
    return text if len(text) <= LONGEST else None


def _filter(study: str) -> str:
    for quote in "'\"":
        if quote not in study:
            return f"tags.study = {quote}{study}{quote}"
    return ""  # MLflow's grammar has no way to write it
