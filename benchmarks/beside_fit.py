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
    from rnnexp import backend, data
    from rnnexp.training.trial import run

    keras = backend.keras()
    from rnnexp.training.fit import fit_arguments
    from rnnexp.training.model import build

    backend.settle()
    began = time.perf_counter()
    keras.utils.clear_session()
    keras.utils.set_random_seed(config.seed)
    dataset = data.load(config.data)
    model = build(config.copy(), dataset)
    built = time.perf_counter()
    model.fit(**fit_arguments(config, dataset))
    seconds = built - began, time.perf_counter() - built
    Path(HydraConfig.get().runtime.output_dir, ALONE).write_text(" ".join(map(str, seconds)))
    return run(config)


if __name__ == "__main__":
    main()
