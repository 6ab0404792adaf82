"""A model, a learning rate schedule and a callback of your own, as docs/choices.md uses them."""

import logging

import keras
from omegaconf import DictConfig

log = logging.getLogger(__name__)


def model(input_dim: int, config: DictConfig) -> keras.Model:
    """Build a model with a convolution in place of an RNN.

    Args:
        input_dim: The number of ids in the data: the vocabulary, and three for padding, start and
            unknown words.
        config: The whole config, in which ``model.output_dim`` and ``model.output_activation`` are
            set to what the data and the loss need. ``model.filters``, which the convolution has in
            place of ``model.units``, can be added with ``+model.filters=16``.

    Returns:
        The model, not compiled.
    """
    filters = config.model.get("filters", config.model.units)
    return keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(input_dim, config.model.embedding_size),
            keras.layers.Conv1D(filters, 3, activation="relu"),
            keras.layers.GlobalMaxPooling1D(),
            keras.layers.Dense(config.model.output_dim, config.model.output_activation),
        ]
    )


def halves(epoch: int, rate: float) -> float:
    """Halve the learning rate every second epoch.

    Args:
        epoch: The epoch, counted from 0.
        rate: The learning rate of the epoch before.

    Returns:
        The learning rate of the epoch.
    """
    return rate / 2 if epoch and epoch % 2 == 0 else rate


class Announce(keras.callbacks.Callback):
    """Logs the end of every epoch.

    Args:
        word: The word that is logged.
    """

    def __init__(self, word: str = "ended") -> None:
        super().__init__()
        self.word = word
        self.count = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        """Log the epoch's number and the count of epochs."""
        self.count += 1
        log.info("epoch %s %s, %s in all", epoch, self.word, self.count)
