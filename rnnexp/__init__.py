"""Search hyperparameters of Keras RNNs with Hydra, Optuna and MLflow."""

import os

from rnnexp.execution.current_trial import current_trial

# TensorFlow reads this when it is imported: errors only, no notes on the processor.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.1.0"
__all__ = ["current_trial"]
