"""Defaults of TensorFlow, MLflow and other libraries that this project's entry points set.

An application that imports rnnexp keeps its own settings: only entry points (a sweep, a job, a
worker process, the command ``rnnexp``) call `set_library_defaults`.
"""

import logging
import os

# Environment variables, read by a library when it is imported or used; a user's own values stay.
ENVIRONMENT = {
    # TensorFlow: errors only, no notes on the processor.
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # TensorFlow, JAX: memory of a GPU as it is needed, so that processes can share a GPU.
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    # MLflow: no progress bar for each download.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # MLflow: no address of each run that ends, which would be between the lines of a command.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # MLflow would wait four minutes for an unreachable server; here writes are queued instead.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    # PostgreSQL's client would wait two minutes for a server whose network drops packets.
    "PGCONNECT_TIMEOUT": "8",
}

# Loggers that report each step of creating a SQLite store, of saving a model, of finding fonts and
# of Dask's scheduler and workers.
NOISY_LOGGERS = (
    "alembic",
    "distributed",
    "matplotlib",
    "mlflow.pyfunc",
    "mlflow.store.db.utils",
    "mlflow.system_metrics",
)


def set_library_defaults() -> None:
    """Set the environment variables and the log levels that this project wants of its libraries."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name in NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
