"""An application without Keras whose loss and size are its config, and a sweep that gives both."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

import rnnexp
from tests.helpers.commands import ROOT, Command, Ended

OBJECTIVES = "+objective=[{monitor:loss,mode:min},{monitor:size,mode:min}]"
CONSTRAINTS = "+constraints=['size < 10000']"
# Loss and size: the first three are on the front, the second of them wins, the last is too large.
FIVE = ((0.2, 9000), (0.201, 3000), (0.3, 1000), (0.31, 2000), (0.1, 20000))


@hydra.main(version_base="1.3", config_path="../../docs/examples", config_name="app")
def main(config: DictConfig) -> float:
    rnnexp.current_trial().measure(size=config.steps)
    return float(config.x)


def sweep_of_five(
    command: Command, *overrides: str, study: str = "s", path: Path | None = None
) -> Ended:
    """Run a sweep whose trials have the losses and sizes of `FIVE`, as ``x`` and ``steps``."""
    enqueued = ",".join(f"{{x:{loss},steps:{size}}}" for loss, size in FIVE)
    return command(
        "-m", f"hydra.sweeper.study_name={study}", f"hydra.sweeper.n_trials={len(FIVE)}",
        "hydra.sweeper.params=null", "x=interval(0.0,1.0)", "steps=range(1000,30000)",
        f"hydra.sweeper.enqueue=[{enqueued}]", *overrides, path=path, tiny=False,
        script=ROOT / "tests" / "helpers" / "measuring_app.py",
    )  # fmt: skip


if __name__ == "__main__":
    main()
