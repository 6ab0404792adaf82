"""A callback for tests: a trial that fails on purpose."""

import keras


class FailAt(keras.callbacks.Callback):
    """Raises at the end of an epoch if the model's RNN has so many units."""

    def __init__(self, epoch: int, units: int) -> None:
        super().__init__()
        self.epoch = epoch
        self.units = units

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002
        if epoch == self.epoch and self.model.layers[1].units == self.units:
            raise RuntimeError("out of luck")
