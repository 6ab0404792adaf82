"""The project's trial, and before it the same model fitted alone; for benchmarks/overhead.py.

Both in one process, one after the other, so that the machine's mood is the same for both.
"""

import time
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from rnnexp.result import Result

ALONE = "alone"  # in a trial's folder: seconds to build, and to fit, without sweep and callbacks


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def main(config: DictConfig) -> Result:
    """Fit alone, note the seconds, then run the trial."""
    from rnnexp import keras_runtime
    from rnnexp.training.trial import run

    keras_runtime.keras()
    seconds = alone(config.copy())
    Path(HydraConfig.get().runtime.output_dir, ALONE).write_text(" ".join(map(str, seconds)))
    return run(config)


def alone(config: DictConfig) -> tuple[float, float]:
    """Seconds to build and to fit; the model is gone then, as that of another trial would be."""
    from rnnexp import data, keras_runtime
    from rnnexp.training.fit import fit_arguments
    from rnnexp.training.model import build

    began = time.perf_counter()
    keras_runtime.new_session()
    keras_runtime.keras().utils.set_random_seed(config.seed)
    dataset = data.load(config.data)
    model = build(config, dataset)
    built = time.perf_counter()
    model.fit(**fit_arguments(config, dataset))
    return built - began, time.perf_counter() - built


if __name__ == "__main__":
    main()
