"""Models that take raw text: packed from checkpoints, logged and registered in MLflow."""
