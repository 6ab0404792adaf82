"""One training by the tutorial's script, and by rnnexp on both backends, in turn.

    python benchmarks/peers/single_run.py --train FILE --test FILE [--seeds 3]

As in `run.py`, a fifth of the training reviews is the validation part, the script reads reviews
that are encoded already, and commands are timed as a whole. Trainings end early in the same way.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from run import HERE, KEYS, PEERS, ROOT, data_overrides, environment_of, prepare, run, test_accuracy
from space import SINGLE

NAMES = ("loop", "rnnexp", "rnnexp, jax")


def command_of(name: str, folder: Path, options: argparse.Namespace, seed: int) -> list[str]:
    """Return the command of a training."""
    peer = PEERS[name]
    if peer.script:
        return [
            str(environment_of(name, peer)), str(HERE / "plain.py"), "--folder", str(folder),
            "--trials", "1", "--epochs", str(options.epochs), "--seed", str(seed),
            "--prunes", "1", "--processes", "1",
        ]  # fmt: skip
    return [
        sys.executable, str(ROOT / "sweep.py"), *peer.arguments, *data_overrides(options),
        *(f"{key}={SINGLE[name]}" for name, key in KEYS.items()),
        f"fit.epochs={options.epochs}", f"seed={seed}", "hydra.run.dir=checkpoints",
    ]  # fmt: skip


def train(name: str, options: argparse.Namespace, seed: int) -> tuple[float, float]:
    """Train in a new folder.

    Returns:
        The seconds of the command, and the accuracy on the test part.
    """
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        prepare(options, folder)
        began = time.time()
        run(name, command_of(name, folder, options, seed), folder)
        seconds = time.time() - began
        return seconds, test_accuracy(folder, next(folder.glob("checkpoints/*.keras")))


def show(name: str, outcomes: Sequence[tuple[float, float]], plain: float) -> None:
    """Print a row: medians of seconds, mean of accuracies with its standard error."""
    seconds = statistics.median(one for one, _ in outcomes)
    tests = [one for _, one in outcomes]
    error = statistics.stdev(tests) / len(tests) ** 0.5 if len(tests) > 1 else float("nan")
    print(
        f"| {name} | {seconds:.0f} | {plain / seconds:.2f} | "
        f"{statistics.mean(tests):.4f} | {error:.4f} |"
    )


def main() -> None:
    """Train with each seed by each tool, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    for name, default in (("rows", 25000), ("maxlen", 200), ("epochs", 8), ("seeds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    outcomes: dict[str, list[tuple[float, float]]] = {name: [] for name in NAMES}
    for seed in range(options.seeds):
        for name in NAMES:
            outcomes[name].append(train(name, options, seed))
            print(f"seed {seed}, {name}: {outcomes[name][-1]}", flush=True)
    plain = statistics.median(one for one, _ in outcomes["loop"])
    print("| training | seconds | ratio | test accuracy | standard error |")
    print("|---|---|---|---|---|")
    for name in NAMES:
        show(name, outcomes[name], plain)


if __name__ == "__main__":
    main()
