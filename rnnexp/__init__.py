"""Search hyperparameters of Keras RNNs with Hydra, Optuna and MLflow.

The public API, documented in docs/api.md:

- `current_trial`: the trial that the running job belongs to.
- `path_here`: where a file that the config names is on the machine that runs the job.
- `EarlyStoppingPruner`: a pruner in the manner of EarlyStopping, for any Optuna study.
- `load_study`: a study in a notebook, with its trials as a table and its best model.
- `Result`: the outcome of a trial, which a job may return, with its `State`.

Importing the package has no side effects, and imports none of Optuna, MLflow and Keras: each name
is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from rnnexp.version import __version__

if TYPE_CHECKING:
    from rnnexp.config_files import path_here
    from rnnexp.execution.current_trial import current_trial
    from rnnexp.loaded_study import load_study
    from rnnexp.pruning import EarlyStoppingPruner
    from rnnexp.result import Result, State

__all__ = [
    "EarlyStoppingPruner",
    "Result",
    "State",
    "__version__",
    "current_trial",
    "load_study",
    "path_here",
]

_MODULES = {
    "EarlyStoppingPruner": "rnnexp.pruning",
    "Result": "rnnexp.result",
    "State": "rnnexp.result",
    "current_trial": "rnnexp.execution.current_trial",
    "load_study": "rnnexp.loaded_study",
    "path_here": "rnnexp.config_files",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
