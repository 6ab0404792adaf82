"""What could a better rule reach? Bounds and forecasts on the curves of replay_pruners.py.

    python benchmarks/pruning_limits.py [--orders 200]

- Foresight: a rule that knows how every trial would end, but has to watch some epochs of each. It
  lets a trial end only if that makes it the best so far.
- Forecasts: a trial is pruned when, for some epochs in a row, its forecast doesn't reach the best
  so far. The forecast is its last slope kept up, a power law fitted to it, or the most that its
  peers, or those nearest to it, have still gained from that epoch on.
- Learned: a classifier, gradient boosting with nine features of the trial and its peers, says how
  likely a trial is to become the best. It learns from all seeds but one and is judged on that one,
  and on the GRU's curves; "as learned" are the very curves that it has seen.

As in replay_pruners.py, 40 settings run one after the other. All orders are replayed at once.
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
# Of each order: the trial's values up to now, the earlier trials' (NaN where not run) -> prune?
Rule = Callable[[Array, Array], Flags]
FOLDER = Path(__file__).parent


def table(file: str, studies: list[int]) -> Array:
    """Curves as rows, NaN after their end."""
    recorded = curves(FOLDER / file, studies)
    rows = np.full((len(recorded), EPOCHS), np.nan)
    for row, curve in zip(rows, recorded, strict=True):
        row[: len(curve)] = [value for _, value in curve]
    return rows


def orders(recorded: Array, number: int) -> Array:
    """Random orders of 40 curves: order, trial, epoch."""
    rng = np.random.default_rng(0)
    return np.stack([recorded[rng.permutation(len(recorded))[:TRIALS]] for _ in range(number)])


def replay(run: Array, rule: Rule) -> tuple[float, float]:
    """Share of the epochs, and how much worse the best that was kept is, on average."""
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
    """Share of the epochs when only trials that become the best so far run on after some."""
    length = (~np.isnan(run)).sum(2)
    best = np.nanmin(run, axis=2)
    before = np.minimum.accumulate(best, axis=1)[:, :-1]
    leads = np.concatenate([np.ones((len(run), 1), bool), best[:, 1:] < before], axis=1)
    spent = np.where(leads, length, np.minimum(length, epochs))
    return float((spent.sum(1) / length.sum(1)).mean())


def best_up_to(values: Array) -> Array:
    """The best so far at each epoch, NaN read as none."""
    return np.minimum.accumulate(np.where(np.isnan(values), np.inf, values), axis=-1)


def in_a_row(forecast: Callable[[Array, Array], Array], patience: int) -> Rule:
    """Prunes when forecasts of so many epochs in a row don't reach the best so far."""

    def rule(own: Array, peers: Array) -> Flags:
        epochs = own.shape[1]
        if epochs <= patience:
            return np.zeros(len(own), bool)
        best = best_up_to(peers)[:, :, -1].min(1)
        ends = [forecast(own[:, : epochs - back], peers) for back in range(patience)]
        return np.all([np.minimum(own.min(1), end) > best for end in ends], axis=0)

    return rule


def slope(own: Array, peers: Array) -> Array:  # noqa: ARG001
    """The last step, kept up."""
    left = EPOCHS - own.shape[1]
    step: Array = own[:, -1] + np.minimum(own[:, -1] - own[:, -2], 0) * left
    return step


def power_law(own: Array, peers: Array) -> Array:  # noqa: ARG001
    """A + b / epoch by least squares, at the last epoch."""
    x = 1 / np.arange(1, own.shape[1] + 1)
    mean = own.mean(1)
    b = ((own - mean[:, None]) * (x - x.mean())).sum(1) / ((x - x.mean()) ** 2).sum()
    end: Array = mean + b * (1 / EPOCHS - x.mean())
    return end


def peers_gain(nearest: int | None) -> Callable[[Array, Array], Array]:
    """The most that peers, or the nearest of them, have still gained from that epoch on."""

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
    """Of each trial: where it stands, against itself and against its peers."""
    last = own.shape[1] - 1
    best = best_up_to(peers)
    lead = best[:, :, -1].min(1)
    bar = np.where(np.isnan(peers[:, :, last]), np.inf, best[:, :, last]).min(1)
    now, one, two = (own[:, max(last - back, 0)] for back in range(3))
    before = own[:, :last].min(1) if last else now
    least = own.min(1)
    return np.column_stack(
        [
            np.full(len(own), last), least - lead, np.clip(least - bar, -9, 9), now - before,
            now - one, one - two, last - own.argmin(1), now, lead,
        ]
    )  # fmt: skip


def learn(recorded: Array) -> HistGradientBoostingClassifier:
    """How likely a trial is to become the best, from full curves in random orders."""
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
    """Prunes from the second epoch on what is less likely than that to become the best."""
    return lambda own, peers: (
        model.predict_proba(features(own, peers))[:, 1] < least
        if own.shape[1] > 1
        else np.zeros(len(own), bool)
    )


def main() -> None:
    """Replay and print Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=200)
    options = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)  # epochs that no trial has reached

    seeds = {seed: table("curves.csv", [seed]) for seed in range(1, 7)}
    every, gru = np.concatenate(list(seeds.values())), table("curves_gru.csv", [11, 12])
    main_run, gru_run = orders(every, options.orders), orders(gru, options.orders)
    print("| foresight after | epochs | epochs, GRU |\n|---|---|---|")
    for epochs in (1, 2, 3, 4):
        shares = foresight(main_run, epochs), foresight(gru_run, epochs)
        print("| {} | {:.0%} | {:.0%} |".format(epochs, *shares))

    def show(name: str, *found: tuple[float, float]) -> None:
        print(f"| {name} | {' | '.join(f'{share:.0%}, {loss:.2%}' for share, loss in found)} |")

    print("\n| forecast | epochs, worse | GRU |\n|---|---|---|")
    for name, forecast in (
        ("the last slope", slope), ("a power law", power_law),
        ("what peers still gained", peers_gain(None)), ("the 5 nearest peers", peers_gain(5)),
    ):  # fmt: skip
        for patience in (1, 2, 3):
            rule = in_a_row(forecast, patience)
            show(f"{name}, patience {patience}", replay(main_run, rule), replay(gru_run, rule))

    print("\n| learned, prunes below | epochs, worse | as learned | GRU |\n|---|---|---|---|")
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
