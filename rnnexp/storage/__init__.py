"""Storage: runs in MLflow, studies in Optuna, the queued writes, and every stored name."""
