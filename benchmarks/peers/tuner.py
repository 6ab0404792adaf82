"""KerasTuner: BayesianOptimization, or Hyperband where trials may end early.

In as many processes as there are cores, as its guide to distributed tuning says: one more process,
the chief, hands out the params. Hyperband chooses the number of trials by itself.
"""

import os
import socket
import subprocess
import sys
from typing import Any

import keras
import keras_tuner
from common import Work, build, own_callbacks, work
from space import CHOICES, LEARNING_RATES


class Search(keras_tuner.HyperModel):
    """The tutorial's model with the search space.

    Args:
        num_words: Size of the vocabulary.
    """

    def __init__(self, num_words: int) -> None:
        super().__init__()
        self._num_words = num_words

    def build(self, hp: Any) -> keras.Model:
        """Build the model of a trial."""
        low, high = LEARNING_RATES
        params = {"learning_rate": hp.Float("learning_rate", low, high, sampling="log")}
        params |= {key: hp.Choice(key, list(values)) for key, values in CHOICES.items()}
        return build(params, self._num_words)

    def fit(self, hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        """Train with the batch size of the trial."""
        return model.fit(*args, batch_size=hp.get("batch_size"), **kwargs)


def recorded(kind: type[keras_tuner.Tuner], search: Work) -> type[keras_tuner.Tuner]:
    """Return a tuner's class whose trials have the callbacks of all peers."""

    class Recorded(kind):  # type: ignore[misc, valid-type]
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
            kwargs["callbacks"] = own_callbacks(search, trial.trial_id)
            return super().run_trial(trial, *args, **kwargs)

    return Recorded


def run(search: Work) -> None:
    """Search, as the chief or as one of its workers."""
    data = search.data()
    common = {
        "objective": "val_loss", "seed": search.seed, "directory": str(search.folder),
        "project_name": "peer", "hypermodel": Search(int(data["num_words"])),
    }  # fmt: skip
    if search.prunes:
        tuner = recorded(keras_tuner.Hyperband, search)(max_epochs=search.epochs, **common)
    else:
        bayesian = recorded(keras_tuner.BayesianOptimization, search)
        tuner = bayesian(max_trials=search.trials, **common)
    validation = (data["x_validation"], data["y_validation"])
    keras.utils.set_random_seed(search.seed)
    tuner.search(
        data["x_train"],
        data["y_train"],
        validation_data=validation,
        epochs=search.epochs,
        verbose=0,
    )


def start(search: Work) -> int:
    """Start the chief and its workers, and wait for the workers.

    Returns:
        The largest exit status of a worker.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(port)}
    names = ["chief", *(f"tuner{number}" for number in range(search.processes))]
    chief, *workers = (
        subprocess.Popen(
            [sys.executable, *sys.argv], env={**os.environ, **common, "KERASTUNER_TUNER_ID": name}
        )
        for name in names
    )
    status = max(worker.wait() for worker in workers)
    chief.kill()
    return status


if __name__ == "__main__":
    if "KERASTUNER_TUNER_ID" in os.environ:
        run(work())
    else:
        sys.exit(start(work()))
