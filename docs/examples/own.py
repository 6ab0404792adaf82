"""A model, a callback and a schedule of one's own, for docs/choices.md."""

import logging

import keras
from omegaconf import DictConfig

log = logging.getLogger(__name__)


def model(input_dim: int, config: DictConfig) -> keras.Model:
    """Reads with a convolution in place of an RNN.

    Args:
        input_dim: Ids in the data: the vocabulary and pad, start and unknown.
        config: The whole config; what follows from data and loss is in it.
    """
    return keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(input_dim, config.model.embedding_size),
            keras.layers.Conv1D(config.model.units, 3, activation="relu"),
            keras.layers.GlobalMaxPooling1D(),
            keras.layers.Dense(config.model.output_dim, config.model.output_activation),
        ]
    )


def halves(epoch: int, rate: float) -> float:
    """Half the rate every second epoch."""
    return rate / 2 if epoch and epoch % 2 == 0 else rate


class Announce(keras.callbacks.Callback):
    """Says when an epoch has ended.

    Args:
        word: What it says.
    """

    def __init__(self, word: str = "ended") -> None:
        super().__init__()
        self.word = word
        self.count = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        """Say it."""
        self.count += 1
        log.info("epoch %s %s, %s in all", epoch, self.word, self.count)
