"""Replay of pruners on recorded learning curves: what they save, and what they lose.

    python benchmarks/replay_pruners.py [--curves FILE] [--studies 1 2 3 4 5 6] [--all]

Each pruner gets 20 random orders of 40 trials, one trial after another, as in a study with one
worker. "Epochs" is the share of the epochs that is trained, compared with no pruning. "Worse" is
the difference between the best trial that was not pruned and the best of the 40, relative to the
latter. `--all` also replays 195 configurations of Optuna's pruners.
"""

import argparse
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
from hydra.utils import instantiate
from omegaconf import OmegaConf
from optuna import pruners
from optuna.trial import TrialState

from rnnexp import EarlyStoppingPruner

CONF = Path(__file__).parents[1] / "conf" / "pruner"
ORDERS, TRIALS, EPOCHS = 20, 40, 12
Curve = list[tuple[int, float]]
Make = Callable[[], pruners.BasePruner]


def curves(file: Path, studies: list[int]) -> list[Curve]:
    """Return the recorded curves of some studies, each a list of epochs and values."""
    table = pd.read_csv(file)
    table = table[table.study.isin(studies)]
    return [
        list(zip(rows.epoch, rows.val_loss, strict=True))
        for _, rows in table.groupby(["study", "trial"])
    ]


def replay(order: list[Curve], pruner: pruners.BasePruner) -> tuple[int, float]:
    """Run a study on recorded curves.

    Returns:
        The number of epochs, and the best value of a complete trial.
    """
    study = optuna.create_study(pruner=pruner, sampler=optuna.samplers.RandomSampler(seed=0))
    epochs, kept = 0, np.inf
    for curve in order:
        trial = study.ask()
        for epoch, value in curve:
            epochs += 1
            trial.report(value, epoch)
            if trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                break
        else:
            best = min(value for _, value in curve)
            kept = min(kept, best)
            study.tell(trial, best)
    return epochs, kept


def measure(recorded: list[Curve], make: Make) -> tuple[float, float, float]:
    """Return the share of epochs, and how much worse the best kept is: the mean and the worst."""
    rng = np.random.default_rng(0)
    shares, losses = [], []
    for _ in range(ORDERS):
        order = [recorded[i] for i in rng.permutation(len(recorded))[:TRIALS]]
        epochs, kept = replay(order, make())
        shares.append(epochs / sum(map(len, order)))
        best = min(value for curve in order for _, value in curve)
        losses.append(kept / best - 1)
    return float(np.mean(shares)), float(np.mean(losses)), float(np.max(losses))


def configured(name: str, **changes: object) -> pruners.BasePruner:
    """Make a pruner of conf/pruner, with some arguments changed."""
    pruner: pruners.BasePruner = instantiate(OmegaConf.load(CONF / f"{name}.yaml"), **changes)
    return pruner


def defaults() -> dict[str, Make]:
    """Return this project's rule and Optuna's, with arguments that a user would start with."""
    return {
        "no pruning": pruners.NopPruner,
        "early stopping, as in conf/pruner": lambda: configured("early_stopping"),
        "the same, n_startup_trials 5": lambda: configured("early_stopping", n_startup_trials=5),
        "the same, patience 1": lambda: configured("early_stopping", patience=1),
        "the same, patience 3": lambda: configured("early_stopping", patience=3),
        "the same, against the best tenth": lambda: configured("early_stopping", quantile=0.1),
        "early stopping, patience 1, median": lambda: EarlyStoppingPruner(patience=1),
        "early stopping, patience 2, median": lambda: EarlyStoppingPruner(patience=2),
        "early stopping, patience 3, median": lambda: EarlyStoppingPruner(patience=3),
        "median": pruners.MedianPruner,
        "median, 2 warm-up epochs": lambda: pruners.MedianPruner(n_warmup_steps=2),
        "percentile 25": lambda: pruners.PercentilePruner(25.0),
        "successive halving": pruners.SuccessiveHalvingPruner,
        "hyperband": lambda: pruners.HyperbandPruner(max_resource=EPOCHS),
    }


def grid() -> Iterator[tuple[str, Make]]:
    """Yield many configurations of Optuna's pruners."""
    for share, start, warm, patience in product(
        (25.0, 33.0, 50.0, 66.0, 75.0), (5, 10), (0, 1, 2, 3, 4), (0, 1, 2)
    ):

        def make(share: float = share, start: int = start, warm: int = warm,
                 patience: int = patience) -> pruners.BasePruner:  # fmt: skip
            inner = pruners.PercentilePruner(share, n_startup_trials=start, n_warmup_steps=warm)
            return pruners.PatientPruner(inner, patience) if patience else inner

        yield f"percentile {share:.0f}, start {start}, warm-up {warm}, patient {patience}", make
    for least, factor, late in product((1, 2, 3, 4), (2, 3, 4), (0, 1, 2)):
        yield (
            f"halving, min_resource {least}, factor {factor}, rate {late}",
            lambda least=least, factor=factor, late=late: pruners.SuccessiveHalvingPruner(
                min_resource=least, reduction_factor=factor, min_early_stopping_rate=late
            ),
        )
    for least, factor in product((1, 2, 3), (2, 3, 4)):
        yield (
            f"hyperband, min_resource {least}, factor {factor}",
            lambda least=least, factor=factor: pruners.HyperbandPruner(
                min_resource=least, max_resource=EPOCHS, reduction_factor=factor
            ),
        )


def main() -> None:
    """Replay and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--curves", type=Path, default=Path(__file__).with_name("curves.csv"))
    parser.add_argument("--studies", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6])
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    recorded = curves(options.curves, options.studies)
    rows = {name: measure(recorded, make) for name, make in defaults().items()}
    if options.all:
        rows |= {name: measure(recorded, make) for name, make in grid()}
    print(f"{len(recorded)} curves, {sum(map(len, recorded))} epochs\n")
    print("| pruner | epochs | worse, mean | worse, worst |\n|---|---|---|---|")
    for name, (share, mean, worst) in rows.items():
        print(f"| {name} | {share:.0%} | {mean:.2%} | {worst:.1%} |")


if __name__ == "__main__":
    main()
