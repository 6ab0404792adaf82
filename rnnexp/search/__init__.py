"""What is searched: Hydra's grammar as Optuna's distributions, conditions, known settings."""
