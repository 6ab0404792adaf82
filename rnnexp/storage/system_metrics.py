"""MLflow's system metrics of a job: the load of its machine while the job trains."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rnnexp.errors import one_line
from rnnexp.passwords import for_mlflow
from rnnexp.storage.mlflow_tracker import Tracker

log = logging.getLogger(__name__)


@contextmanager
def system_metrics(tracker: Tracker, run_id: str) -> Iterator[None]:
    """Log ``system/*`` metrics of a run while the block runs, if system metrics are switched on.

    MLflow samples every 10 s (``MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL``), and the last sample is
    logged at the end, so that even a job of a second has one. System metrics are not queued: a
    sample that can't be written is lost.

    Args:
        tracker: The run's store, and whether system metrics are on.
        run_id: The run.
    """
    if not tracker.system_metrics:
        yield
        return
    # Imported here: most jobs need no system metrics.
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    try:
        uri = for_mlflow(tracker.uri)
        monitor = SystemMetricsMonitor(run_id, resume_logging=True, tracking_uri=uri)
    except Exception as error:  # whatever the driver of a device raises
        log.warning("no system metrics are logged: %s", one_line(error))
        yield
        return
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()
        try:
            monitor.publish_metrics(monitor.aggregate_metrics())
            monitor.mlflow_logger.flush()
        except Exception as error:
            log.warning("the last system metrics are lost: %s", one_line(error))
