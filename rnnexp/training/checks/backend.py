"""The check of ``backend``, on which all other checks that need Keras depend."""

import logging
from collections.abc import Sequence

from omegaconf import DictConfig

from rnnexp import gpus, keras_runtime
from rnnexp.formatting import did_you_mean
from rnnexp.training.checks.choices import choice_problems

log = logging.getLogger(__name__)
# What brings the libraries for NVIDIA's GPUs.
PACKAGES = {"tensorflow": "tensorflow[and-cuda]", keras_runtime.JAX: "jax[cuda13]"}


def backend_problems(configs: Sequence[DictConfig]) -> list[str]:
    """Return what is wrong with the backend of configs; choose the backend if nothing is.

    Args:
        configs: Composed configs; in a sweep, those at the ends of the search space.
    """
    given = list(dict.fromkeys(config.backend for config in configs))
    problems = [
        problem + did_you_mean(str(value), keras_runtime.BACKENDS)
        for value in given
        for problem in choice_problems("backend", value, keras_runtime.BACKENDS)
    ]
    if len(given) > 1 and not problems:
        return [
            "backend is searched: a process keeps its backend, and a value of one backend is not "
            "the other's to the last bit; give it one value"
        ]
    if problems or not given:
        return problems
    if problem := keras_runtime.backend_problem(given[0]):
        return [problem]
    keras_runtime.choose(given[0], deterministic=configs[0].deterministic is True)
    return []


def log_device() -> None:
    """Log that trainings run on a CPU although there are GPUs that this process may use."""
    if (seen := gpus.visible_gpus()) and not keras_runtime.has_gpu():
        backend = keras_runtime.keras().backend.backend()
        log.warning(
            "backend=%s can't use the GPUs of this machine (%s), so trials are trained on cores, "
            "but only as many at once as there is room for on the GPUs; pip install '%s', or "
            "give hydra.launcher.gpus_per_trial=0 for a trial a core",
            backend,
            ", ".join(seen),
            PACKAGES[backend],
        )
