"""A view of a study in MLflow's UI: its runs alone, the best first, with the columns that count.

By itself the UI's table shows neither metrics nor params until a person picks them. A view that is
saved in the UI is a tag of the experiment, which holds the page's state as JSON, compressed.
"""

import base64
import json
import zlib
from collections.abc import Iterable, Sequence

from mlflow.tracking import MlflowClient

from rnnexp.objectives import Objectives
from rnnexp.storage.mlflow_run import Run, now_ms, stored_name
from rnnexp.storage.retry import retry_transient
from rnnexp.storage.schema import Metrics, Tags, measure_metric

TAG = "mlflow.sharedViewState."  # MLflow's prefix, before the view's id
MAX_LENGTH = 5000  # characters of an experiment's tag in MLflow
METRICS = (Metrics.BEST_VALUE, Metrics.BEST_EPOCH, Metrics.EPOCHS, Metrics.SECONDS)
TAGS = (Tags.STATE, Tags.REASON)
DATASETS = "attributes.`Dataset`"  # the UI's name of its column


def view(study: str, params: Sequence[str], objectives: Objectives, now: int) -> str | None:
    """Return the value of the experiment's tag.

    Args:
        study: The study's name, which is also the view's name.
        params: The searched keys, as MLflow names them.
        objectives: By the first of which the view is ordered.
        now: Milliseconds since the epoch.

    Returns:
        The value; None if the value would be too long, since many keys are searched.
    """
    measures = [stored_name(measure_metric(name)) for name in objectives.names]
    of_several = [] if objectives.is_plain else [Tags.FRONT, Tags.FEASIBLE]
    state = {
        "searchFilter": _filter(study),
        "orderByKey": f"metrics.`{Metrics.BEST_VALUE}`",
        "orderByAsc": objectives.first.mode == "min",
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [
            *(f"metrics.`{name}`" for name in [METRICS[0], *measures, *METRICS[1:]]),
            *(f"params.`{name}`" for name in params),
            *(f"tags.`{name}`" for name in [*of_several, *TAGS]),
            DATASETS,
        ],
        "columnOrder": [],
    }
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    named = {"name": study, "createdAt": now, "updatedAt": now, "state": f"deflate;{packed}"}
    text = json.dumps(named)
    return text if len(text) <= MAX_LENGTH else None


@retry_transient
def save_view(
    client: MlflowClient, run: Run, study: str, keys: Iterable[str], objectives: Objectives
) -> None:
    """Save a view of a study in MLflow's UI, and make the view the run's page.

    Args:
        client: MLflow's client of the store.
        run: The study's run.
        study: The study's name.
        keys: The searched config keys.
        objectives: By the first of which the view is ordered.
    """
    if text := view(study, [stored_name(key) for key in keys], objectives, now_ms()):
        client.set_experiment_tag(run.experiment_id, f"{TAG}{run.id}", text)
        run.page += f"?viewStateShareKey={run.id}"


def _filter(study: str) -> str:
    for quote in "'\"":
        if quote not in study:
            return f"tags.{Tags.STUDY} = {quote}{study}{quote}"
    return ""  # MLflow's grammar can't write a name with both quotes
