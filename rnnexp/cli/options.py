"""Options that several commands share."""

import click

STORAGE = click.option(
    "--storage",
    metavar="URL",
    default="sqlite:///optuna.db",
    show_default=True,
    help="Optuna's storage.",
)
TRACKING = click.option(
    "--tracking-uri",
    metavar="URI",
    help="MLflow's store; by default MLFLOW_TRACKING_URI of the environment, else MLflow's own.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON on one line, for scripts.")
TRUST = click.option(
    "--trust",
    is_flag=True,
    help="Import the code that the config of the run names, also if it is not of rnnexp, Keras or "
    "Optuna.",
)
