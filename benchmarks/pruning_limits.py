"""Limits of pruning: perfect foresight, forecasts and a classifier, on recorded curves.

    python benchmarks/pruning_limits.py [--orders 200]

- Foresight: a rule that knows how every trial would end, but has to watch some epochs of each
  trial. A trial is completed only if that makes it the best so far.
- Forecasts: a trial is pruned when its forecast doesn't reach the best so far, for some epochs in a
  row. The forecast continues the trial's last slope, or a power law fitted to the trial, or assumes
  the largest gain that the peers, or the nearest peers, have made from that epoch on.
- Classifier: gradient boosting on nine features of a trial and its peers, which predicts the
  probability that the trial becomes the best. It is trained on all seeds but one, and tested on
  that seed and on the GRU's curves; "on its training curves" are the curves it was trained on.

As in replay_pruners.py, 40 trials run one after the other. All orders are replayed at once.
"""

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from replay_pruners import EPOCHS, TRIALS, curves
from sklearn.ensemble import HistGradientBoostingClassifier

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
# Decides for each order whether a trial is pruned, by the values of the trial (order, epoch) and of
# the earlier trials (order, trial, epoch; NaN where not run).
Rule = Callable[[Array, Array], Flags]
FOLDER = Path(__file__).parent


def table(file: str, studies: list[int]) -> Array:
    """Return recorded curves as ``(trials, EPOCHS)``, with NaN after the end of a curve."""
    recorded = curves(FOLDER / file, studies)
    rows = np.full((len(recorded), EPOCHS), np.nan)
    for row, curve in zip(rows, recorded, strict=True):
        row[: len(curve)] = [value for _, value in curve]
    return rows


def orders(recorded: Array, number: int) -> Array:
    """Return random orders of 40 curves: ``(number, TRIALS, EPOCHS)``."""
    rng = np.random.default_rng(0)
    return np.stack([recorded[rng.permutation(len(recorded))[:TRIALS]] for _ in range(number)])


def replay(run: Array, rule: Rule) -> tuple[float, float]:
    """Replay a rule over orders of curves.

    Args:
        run: ``(orders, TRIALS, EPOCHS)`` curves.
        rule: The rule.

    Returns:
        The share of the epochs that were run, and how much worse the best trial that was not pruned
        is than the best of all, relative to the latter; both as means over the orders.
    """
    there = ~np.isnan(run)
    seen = np.full_like(run, np.nan)
    kept = np.full(len(run), np.inf)
    for trial in range(TRIALS):
        alive = np.ones(len(run), bool)
        pruned = np.zeros(len(run), bool)
        for epoch in range(EPOCHS):
            alive &= there[:, trial, epoch]
            seen[alive, trial, epoch] = run[alive, trial, epoch]
            if trial and alive.any():
                now = alive & rule(run[:, trial, : epoch + 1], seen[:, :trial])
                pruned |= now
                alive &= ~now
        kept = np.where(pruned, kept, np.minimum(kept, np.nanmin(run[:, trial], axis=1)))
    share = (~np.isnan(seen)).sum((1, 2)) / there.sum((1, 2))
    return float(share.mean()), float((kept / np.nanmin(run, axis=(1, 2)) - 1).mean())


def foresight(run: Array, epochs: int) -> float:
    """Return the share of epochs if only trials that become the best run longer than `epochs`."""
    length = (~np.isnan(run)).sum(2)
    best = np.nanmin(run, axis=2)
    before = np.minimum.accumulate(best, axis=1)[:, :-1]
    becomes_best = np.concatenate([np.ones((len(run), 1), bool), best[:, 1:] < before], axis=1)
    spent = np.where(becomes_best, length, np.minimum(length, epochs))
    return float((spent.sum(1) / length.sum(1)).mean())


def best_up_to(values: Array) -> Array:
    """Return the best value up to each epoch; infinite where there is none."""
    return np.minimum.accumulate(np.where(np.isnan(values), np.inf, values), axis=-1)


def in_a_row(forecast: Callable[[Array, Array], Array], patience: int) -> Rule:
    """Make a rule that prunes when ``patience`` forecasts in a row don't reach the best so far."""

    def rule(own: Array, peers: Array) -> Flags:
        epochs = own.shape[1]
        if epochs <= patience:
            return np.zeros(len(own), bool)
        best = best_up_to(peers)[:, :, -1].min(1)
        ends = [forecast(own[:, : epochs - back], peers) for back in range(patience)]
        return np.all([np.minimum(own.min(1), end) > best for end in ends], axis=0)

    return rule


def slope(own: Array, peers: Array) -> Array:  # noqa: ARG001
    """Forecast the last value by continuing the last slope."""
    remaining = EPOCHS - own.shape[1]
    step: Array = own[:, -1] + np.minimum(own[:, -1] - own[:, -2], 0) * remaining
    return step


def power_law(own: Array, peers: Array) -> Array:  # noqa: ARG001
    """Forecast the last value by ``a + b / epoch``, fitted by least squares."""
    x = 1 / np.arange(1, own.shape[1] + 1)
    mean = own.mean(1)
    b = ((own - mean[:, None]) * (x - x.mean())).sum(1) / ((x - x.mean()) ** 2).sum()
    end: Array = mean + b * (1 / EPOCHS - x.mean())
    return end


def peers_gain(nearest: int | None) -> Callable[[Array, Array], Array]:
    """Make a forecast by the largest gain of the peers from an epoch on.

    Args:
        nearest: The number of peers, nearest first; None for all.
    """

    def forecast(own: Array, peers: Array) -> Array:
        last = own.shape[1] - 1
        best = best_up_to(peers)
        there = ~np.isnan(peers[:, :, last])
        gain = np.where(there, best[:, :, last] - best[:, :, -1], 0.0)
        if nearest:
            apart = ((np.nan_to_num(peers[:, :, : last + 1], nan=9.0) - own[:, None]) ** 2).sum(2)
            gain = np.take_along_axis(gain, np.argsort(apart, axis=1)[:, :nearest], axis=1)
        enough = there.sum(1) >= 5
        return np.where(enough, own.min(1) - gain.max(1), -np.inf)

    return forecast


def features(own: Array, peers: Array) -> Array:
    """Return nine features of a trial in each order, relative to itself and to its peers."""
    last = own.shape[1] - 1
    best = best_up_to(peers)
    best_so_far = best[:, :, -1].min(1)
    threshold = np.where(np.isnan(peers[:, :, last]), np.inf, best[:, :, last]).min(1)
    now, one, two = (own[:, max(last - back, 0)] for back in range(3))
    before = own[:, :last].min(1) if last else now
    least = own.min(1)
    return np.column_stack(
        [
            np.full(len(own), last), least - best_so_far, np.clip(least - threshold, -9, 9),
            now - before, now - one, one - two, last - own.argmin(1), now, best_so_far,
        ]
    )  # fmt: skip


def learn(recorded: Array) -> HistGradientBoostingClassifier:
    """Train a classifier of whether a trial becomes the best, on full curves in random orders."""
    run = orders(recorded, 150)
    best, xs, ys = np.nanmin(run, axis=2), [], []
    for trial in range(1, TRIALS, 2):
        for epoch in range(1, EPOCHS):
            alive = ~np.isnan(run[:, trial, epoch])
            xs.append(features(run[alive, trial, : epoch + 1], run[alive, :trial]))
            ys.append(best[alive, trial] < best[alive, :trial].min(1))
    model = HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.06, max_leaf_nodes=12, min_samples_leaf=200, random_state=0
    )
    return model.fit(np.concatenate(xs), np.concatenate(ys))


def learned(model: HistGradientBoostingClassifier, least: float) -> Rule:
    """Make a rule that prunes trials that are unlikely to become the best, from epoch 1 on.

    Args:
        model: Predicts the probability that a trial becomes the best.
        least: The least probability of a trial that is not pruned.
    """
    return lambda own, peers: (
        model.predict_proba(features(own, peers))[:, 1] < least
        if own.shape[1] > 1
        else np.zeros(len(own), bool)
    )


def main() -> None:
    """Replay and print Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--orders", type=int, default=200)
    options = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)  # epochs that no trial has reached

    seeds = {seed: table("curves.csv", [seed]) for seed in range(1, 7)}
    every, gru = np.concatenate(list(seeds.values())), table("curves_gru.csv", [11, 12])
    main_run, gru_run = orders(every, options.orders), orders(gru, options.orders)
    print("| watched epochs | epochs | epochs, GRU |\n|---|---|---|")
    for epochs in (1, 2, 3, 4):
        shares = foresight(main_run, epochs), foresight(gru_run, epochs)
        print("| {} | {:.0%} | {:.0%} |".format(epochs, *shares))

    def show(name: str, *found: tuple[float, float]) -> None:
        print(f"| {name} | {' | '.join(f'{share:.0%}, {loss:.2%}' for share, loss in found)} |")

    print("\n| forecast | epochs, worse | GRU |\n|---|---|---|")
    for name, forecast in (
        ("the last slope continues", slope), ("a power law", power_law),
        ("the largest gain of the peers", peers_gain(None)),
        ("the largest gain of the 5 nearest peers", peers_gain(5)),
    ):  # fmt: skip
        for patience in (1, 2, 3):
            rule = in_a_row(forecast, patience)
            show(f"{name}, patience {patience}", replay(main_run, rule), replay(gru_run, rule))

    print("\n| prunes below | epochs, worse | on its training curves | GRU |\n|---|---|---|---|")
    held_out = {
        seed: learn(np.concatenate([seeds[other] for other in seeds if other != seed]))
        for seed in seeds
    }
    whole = learn(every)
    for least in (0.003, 0.006, 0.01, 0.02, 0.03):
        found = [
            replay(orders(seeds[seed], 40), learned(model, least))
            for seed, model in held_out.items()
        ]
        share, loss = np.mean(found, axis=0)
        show(
            f"{least:.1%}",
            (share, loss),
            replay(main_run[:40], learned(whole, least)),
            replay(gru_run[:40], learned(whole, least)),
        )


if __name__ == "__main__":
    main()
