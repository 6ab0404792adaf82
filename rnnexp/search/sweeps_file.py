"""The file of ``sweeps/`` that a sweep has chosen."""

from omegaconf import DictConfig

GROUP = "sweeps"
PACKAGE = "hydra.sweeper"


def sweeps_file_problems(config: DictConfig | None) -> list[str]:
    """Return what is wrong with the chosen file of ``sweeps/``: most likely a line is missing.

    Without the line, Hydra puts the content under the file's group, where nothing reads it.

    Args:
        config: The composed config of a trial; None if it can't be composed.
    """
    if config is None or not isinstance(config.get(GROUP), DictConfig):
        return []
    name = config.hydra.runtime.choices.get(GROUP)
    return [
        f"{GROUP}/{name}.yaml: its first line must be '# @package {PACKAGE}', or Hydra puts "
        f"{', '.join(map(str, config[GROUP]))} where nothing reads them"
    ]
