"""The default sweep of two checkouts of rnnexp, in turn.

    python benchmarks/checkouts.py --other FOLDER [--python FILE] [--seeds 5] [OVERRIDE ...]

The other checkout may have a Python of its own, whose environment has what that checkout needs. The
overrides are for this checkout alone. Each sweep is timed as a whole command, in an empty folder.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from optuna import Study, load_study
from optuna.storages import RDBStorage

HERE = Path(__file__).parents[1]
TEST = re.compile(r"test[_ ]accuracy\D*([01]\.\d+)")


def study_in(folder: str) -> Study:
    """Load the study that a sweep left in a folder."""
    storage = RDBStorage(f"sqlite:///{folder}/optuna.db")
    (name,) = (study.study_name for study in storage.get_all_studies())
    return load_study(study_name=name, storage=storage)


def sweep(checkout: Path, python: str, arguments: Sequence[str]) -> list[str]:
    """Run the default sweep of a checkout.

    Returns:
        Seconds, trained epochs, the best value, and the accuracy on the test part.
    """
    with tempfile.TemporaryDirectory() as folder:
        began = time.time()
        ended = subprocess.run(
            [python, str(checkout / "sweep.py"), "-m", *arguments],
            cwd=folder, env={**os.environ, "PYTHONPATH": str(checkout)},
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        seconds = time.time() - began
        if ended.returncode:
            sys.exit(ended.stdout)
        study = study_in(folder)
        epochs = sum(len(trial.intermediate_values) for trial in study.trials)
        tests = TEST.findall(ended.stdout)
        return [f"{seconds:.0f}", str(epochs), f"{study.best_value:.4f}", tests[-1]]


def main() -> None:
    """Sweep with each seed in both checkouts, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--other", type=Path, required=True)
    parser.add_argument("--python", default=sys.executable, help="of the other checkout")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_args()
    print("| seed | checkout | seconds | epochs | best value | test accuracy |")
    print("|---|---|---|---|---|---|")
    for seed in options.seeds:
        for name, checkout, python, overrides in (
            ("the other", options.other, options.python, []),
            ("this", HERE, sys.executable, options.overrides),
        ):
            cells = sweep(checkout, python, [f"seed={seed}", *overrides])
            print(f"| {seed} | {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
