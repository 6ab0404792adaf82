"""The search space: Hydra's grammar as Optuna's distributions, conditions, sampling."""
