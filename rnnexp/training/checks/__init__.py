"""Checks that find every problem of a config before any work starts.

    check(configs)         config.py, which asks the others:
      Keras's backend        backend.py
      names of classes       import_paths.py
      values, choices        fit.py, folds.py, choices.py, and rnnexp/number_ranges.py
      loss and labels        output_layer.py
      a model that was built callbacks.py, checkpoint_files.py, learning_rates.py, bucketing.py
      a model that is trained smallest_training.py

Each check returns messages, none if all is well. A message says what was given, why it can't work
and what would work. The package imports Keras only when `check` is called: a sweep's own process
imports the package, and never TensorFlow or JAX.
"""

from rnnexp.training.checks.config import check

__all__ = ["check"]
