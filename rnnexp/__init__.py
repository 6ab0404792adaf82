"""Search hyperparameters of Keras RNNs with Hydra, Optuna and MLflow."""

from rnnexp.current import current_trial

__version__ = "0.1.0"
__all__ = ["current_trial"]
