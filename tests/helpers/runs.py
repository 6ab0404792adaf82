"""Runs of MLflow that no store holds, made for tests that only read runs."""

from mlflow.entities import Metric, Param, Run, RunData, RunInfo, RunTag


def run(
    params: dict[str, str] | None = None,
    metrics: dict[str, float] | None = None,
    **tags: str,
) -> Run:
    """Make a finished run with these params, metrics and tags; ``a__b`` is the tag ``a.b``."""
    info = RunInfo("abc", "0", "user", "FINISHED", 0, 1, "active")
    data = RunData(
        metrics=[Metric(name, value, 0, 0) for name, value in (metrics or {}).items()],
        params=[Param(name, value) for name, value in (params or {}).items()],
        tags=[RunTag(name.replace("__", "."), value) for name, value in tags.items()],
    )
    return Run(info, data)
