"""Options that several commands have."""

import click

STORAGE = click.option(
    "--storage", default="sqlite:///optuna.db", show_default=True, help="Optuna's storage."
)
TRACKING = click.option(
    "--tracking-uri", default=None, help="MLflow's store; by default as in a sweep."
)
JSON = click.option("--json", "as_json", is_flag=True, help="For scripts: JSON on one line.")
