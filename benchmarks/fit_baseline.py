"""The project's trial, preceded by a baseline: the same model, fitted without callbacks.

benchmarks/overhead.py sweeps it. Both fits run one after the other in one process, so that the load
of the machine is the same for both.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from rnnexp.result import Result

if TYPE_CHECKING:
    import keras

BASELINE = "baseline"  # file in a trial's folder: the baseline's seconds to build and to fit


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def main(config: DictConfig) -> Result:
    """Fit the baseline, write its seconds to a file, then run the trial."""
    from rnnexp import keras_runtime
    from rnnexp.training.trial import run

    keras_runtime.keras()
    seconds = fit_baseline(config.copy())
    Path(HydraConfig.get().runtime.output_dir, BASELINE).write_text(" ".join(map(str, seconds)))
    return run(config)


def model(input_dim: int, config: DictConfig) -> "keras.Model":
    """Return a model whose training takes next to no time, so that its noise is small."""
    import keras

    last = keras.layers.Dense(config.model.output_dim, activation=config.model.output_activation)
    layers = [keras.layers.Embedding(input_dim, 8), keras.layers.GlobalAveragePooling1D(), last]
    return keras.Sequential([keras.Input((None,), dtype="int32"), *layers])


def fit_baseline(config: DictConfig) -> tuple[float, float]:
    """Build and fit the model, and drop it, as between two trials.

    Returns:
        The seconds to build the model, and to fit it.
    """
    from rnnexp import data, keras_runtime
    from rnnexp.training.fit_arguments import fit_arguments
    from rnnexp.training.model import build

    began = time.perf_counter()
    keras_runtime.new_session()
    keras_runtime.keras().utils.set_random_seed(config.seed)
    dataset = data.load(config.data)
    built_model = build(config, dataset)
    built = time.perf_counter()
    built_model.fit(**fit_arguments(config, dataset))
    return built - began, time.perf_counter() - built


if __name__ == "__main__":
    main()
