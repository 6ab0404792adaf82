"""The search space of all peers, as the tutorial has it."""

from typing import Any

import numpy as np

CHOICES = {"embedding_size": (16, 32, 64), "units": (32, 64, 128), "batch_size": (32, 50, 64, 128)}
LEARNING_RATES = (1e-4, 1e-2)  # drawn by their logarithm
SINGLE = {"learning_rate": 0.001, "embedding_size": 32, "units": 64, "batch_size": 50}


def drawn(trials: int, seed: int) -> list[dict[str, Any]]:
    """Return params drawn at random: those of every search without pruning that takes them."""
    rng = np.random.default_rng(seed)
    low, high = np.log(LEARNING_RATES)
    return [
        {"learning_rate": float(np.exp(rng.uniform(low, high)))}
        | {key: int(rng.choice(values)) for key, values in CHOICES.items()}
        for _ in range(trials)
    ]
