"""Entry point: ``python sweep.py`` trains once, ``python sweep.py -m`` searches."""

import sys

import hydra
from omegaconf import DictConfig

from rnnexp.cli.override_hints import hints_on_refusals
from rnnexp.execution.store_passwords import hide_in_arguments
from rnnexp.result import Result


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config: DictConfig) -> Result:
    """Run one trial; under ``-m`` the sweeper calls this once per trial."""
    # Imported here: `--help` and an invalid command line need neither TensorFlow nor MLflow.
    from rnnexp.library_defaults import set_library_defaults
    from rnnexp.training.trial import run

    set_library_defaults()
    return run(config)


if __name__ == "__main__":
    sys.argv[1:] = hide_in_arguments(sys.argv[1:])  # Hydra prints an override that it can't read
    try:
        with hints_on_refusals():
            main()
    except KeyboardInterrupt:
        sys.exit(130)  # as a shell has it; what was running has been closed
