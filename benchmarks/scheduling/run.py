"""Rules that prune or pause trials, through the project's own engine on recorded learning curves.

    python benchmarks/scheduling/run.py [--curves FILE.npz ...] [--cut EPOCHS] [--orders 20]
        [--workers 1] [--trials 40] [--sampler random|tpe|tpe-alone] [--thaw 0.3] [--epoch 1.0]
        [--rules NAME ...] [--processes 2]

The loop, the ledger, the scheduler, `StudyTrial` and Optuna are those of a sweep; only the jobs are
replaced: they replay recorded curves on a simulated clock. With the random sampler, each rule gets
the same orders of the curves. With tpe, a trial replays the curve whose settings are nearest to
those that were drawn, among the curves that the study has not replayed. tpe-alone is Optuna's
sampler as it is, to which paused trials are running ones.

| figure      | meaning                                                                        |
|-------------|--------------------------------------------------------------------------------|
| loss at 45% | how much worse the best value is, of all trials so far, than the best without  |
|             | pruning, after 45 % of the epochs that no pruning takes                        |
| end         | the share of the epochs at which the study ends by itself, and the loss there  |
| epochs      | until within 1 % of the best, as a share of those of no pruning; a study that  |
|             | never gets there counts in full, as 100 %                                      |
| seconds     | the same on the clock, with the starts of paused trials, compared with that of |
|             | no pruning                                                                     |

With TPE, "good draws" is the share of the trials from the tenth on that replay one of the best
quarter of the task's curves. A difference to the default rule of pruning has a 95 % interval, by a
paired bootstrap over orders. Last, a rule is chosen on each half of the tasks and tested on the
other half.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import curves
import numpy as np
import numpy.typing as npt
import optuna
from choosing import print_choices
from curves import Task
from foresight import one_epoch, pausing, stopping
from rules import RULES, TODAY
from simulated_study import Outcome, Search, run

Array = npt.NDArray[np.float64]
SHARES = (0.3, 0.45, 0.6)
NONE = "no pruning"
RESAMPLES = 2000
STARTUP = 10  # trials that TPE draws at random


class Figures(NamedTuple):
    """What a rule has reached in one study; see the table above."""

    loss_30: float
    loss_45: float
    loss_60: float
    end: float
    loss_at_end: float
    epochs: float
    seconds: float
    thaws: float
    good_draws: float


def figures(outcome: Outcome, whole: Outcome, task: Task) -> Figures:
    """Compare a study with the same study without pruning."""
    best = np.array([moment.best for moment in outcome.moments])
    seconds = np.array([moment.seconds for moment in outcome.moments])
    total, least = len(whole.moments), whole.moments[-1].best
    losses = best / least - 1
    at = [losses[min(int(share * total), len(losses)) - 1] for share in SHARES]
    there = np.flatnonzero(losses <= 0.01)
    is_there = len(there) > 0
    return Figures(
        *at,
        len(losses) / total,
        losses[-1],
        (there[0] + 1) / total if is_there else 1.0,
        seconds[there[0]] / whole.moments[-1].seconds if is_there else 1.0,
        outcome.thaws,
        good_draws(outcome, task),
    )


def good_draws(outcome: Outcome, task: Task) -> float:
    """Return the share of the later trials that replay one of the best quarter of the curves."""
    best = [np.nanmin(curve) for curve in task.curves]
    return float(np.mean(np.take(best, outcome.drawn[STARTUP:]) <= np.quantile(best, 0.25)))


def compared(search: Search, names: Sequence[str]) -> list[Figures]:
    """Run a study by each rule."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    whole = run(search, RULES[NONE])
    outcomes = [whole if name == NONE else run(search, RULES[name]) for name in names]
    return [figures(outcome, whole, search.task) for outcome in outcomes]


def searches(task: Task, options: argparse.Namespace) -> Iterator[Search]:
    """Yield the studies of a task, one for each order."""
    rng = np.random.default_rng(options.seed)
    for number in range(options.orders):
        order = [int(index) for index in rng.permutation(len(task.curves))[: options.trials]]
        yield Search(
            task,
            order if options.sampler == "random" else None,
            seed=number,
            trials=options.trials,
            workers=options.workers,
            thaw=options.thaw,
            epoch=options.epoch,
            sees_pauses=options.sampler != "tpe-alone",
        )


def interval(difference: Array) -> tuple[float, float]:
    """Return the 95 % interval of the mean over tasks, by resampling the orders of each task.

    Args:
        difference: ``(tasks, orders)``.
    """
    rng = np.random.default_rng(0)
    tasks, orders = difference.shape
    picked = rng.integers(orders, size=(RESAMPLES, tasks, orders))
    means = np.take_along_axis(difference[None], picked, 2).mean((1, 2))
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def print_task(title: str, names: Sequence[str], values: Array) -> None:
    """Print the table of a task, or of the mean over tasks.

    Args:
        title: The task's name.
        names: The names of the rules.
        values: ``(orders, rules, figures)``.
    """
    print(f"\n### {title}\n")
    head = "rule | loss at 30 / 45 / 60 %, mean | worst | end, loss | epochs | seconds | thaws"
    print(f"| {head} | good draws |")
    print("|---|---|---|---|---|---|---|---|")
    for number, name in enumerate(names):
        mean, worst = Figures(*values[:, number].mean(0)), values[:, number, :3].max(0)
        losses = " / ".join(f"{100 * loss:.2f}" for loss in mean[:3])
        worsts = " / ".join(f"{100 * loss:.0f}" for loss in worst)
        print(
            f"| {name} | {losses} | {worsts} | {mean.end:.0%}, {mean.loss_at_end:.2%} "
            f"| {mean.epochs:.0%} | {mean.seconds:.0%} | {mean.thaws:.0f} | {mean.good_draws:.0%} |"
        )


def print_differences(names: Sequence[str], values: Array) -> None:
    """Print the differences to the default rule of pruning, with their intervals.

    Args:
        names: The names of the rules.
        values: ``(tasks, orders, rules, figures)``.
    """
    chosen = ("loss_30", "loss_45", "loss_60", "loss_at_end", "epochs", "seconds")
    print(f"\n### Difference to: {TODAY}, in points, with 95 % intervals\n")
    print(f"| rule | {' | '.join(name.replace('_', ' ') for name in chosen)} |")
    print(f"|---{'|---' * len(chosen)}|")
    today = values[:, :, names.index(TODAY)]
    for number, name in enumerate(names):
        cells = []
        for figure in chosen:
            column = Figures._fields.index(figure)
            difference = 100 * (values[:, :, number] - today)[..., column]
            low, high = interval(difference)
            cells.append(f"{difference.mean():+.2f} [{low:+.2f}, {high:+.2f}]")
        print(f"| {name} | {' | '.join(cells)} |")


def print_foresight(tasks: Sequence[Task], options: argparse.Namespace) -> None:
    """Print which share of the epochs a rule with perfect foresight needs, at no loss."""
    print("\n### Perfect foresight: share of the epochs, at no loss\n")
    print("| watched epochs of each trial | stopping | pausing |\n|---|---|---|")
    for watched in (1, 2, 3, 4):
        shares = [
            [rule(orders, watched) for rule in (stopping, pausing)]
            for task in tasks
            for search in searches(task, options)
            if (orders := [task.curves[number] for number in search.order or ()])
        ]
        print(f"| {watched} | {' | '.join(f'{share:.0%}' for share in np.mean(shares, 0))} |")


def print_one_epoch(tasks: Sequence[Task], options: argparse.Namespace) -> None:
    """Print the losses of a rule without an engine: one epoch of each, then the best 3 go on."""
    losses = []
    for task in tasks:
        for search in searches(task, options):
            orders = [task.curves[number] for number in search.order or ()]
            best = one_epoch(orders, 3)
            least = min(np.nanmin([*curve, np.inf]) for curve in orders)
            total = sum(map(len, orders))
            at = [min(int(share * total), len(best)) - 1 for share in SHARES]
            losses.append([*(best[index] / least - 1 for index in at), len(best) / total])
    mean, worst = np.mean(losses, 0), np.max(losses, 0)
    print("\n### One epoch of each trial, then the best 3 to their ends, one after the other\n")
    print("| loss at 30 / 45 / 60 %, mean | worst | end |\n|---|---|---|")
    cells = [" / ".join(f"{100 * loss:.2f}" for loss in row[:3]) for row in (mean, worst)]
    print(f"| {' | '.join(cells)} | {mean[3]:.0%} |")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--curves", type=Path, nargs="+", default=curves.OWN, help=".npz or .csv")
    parser.add_argument("--cut", type=int, help="the most epochs of a trial")
    parser.add_argument("--orders", type=int, default=20)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--sampler", choices=("random", "tpe", "tpe-alone"), default="random")
    parser.add_argument("--thaw", type=float, default=0.3, help="seconds")
    parser.add_argument("--epoch", type=float, default=1.0, help="seconds of an epoch")
    parser.add_argument("--rules", nargs="+", choices=RULES, default=list(RULES), metavar="RULE")
    parser.add_argument("--seed", type=int, default=0, help="of the orders")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    return parser.parse_args()


def measured(tasks: Sequence[Task], names: Sequence[str], options: argparse.Namespace) -> Array:
    """Run all studies: ``(tasks, orders, rules, figures)``."""
    values: list[list[list[Figures]]] = []
    with ProcessPoolExecutor(options.processes) as pool:
        running = [
            [pool.submit(compared, search, names) for search in searches(task, options)]
            for task in tasks
        ]
        for task, futures in zip(tasks, running, strict=True):
            values.append([future.result() for future in futures])
            print_task(task.name, names, np.array(values[-1]))
    return np.array(values)


def main() -> None:
    """Run the studies and print Markdown tables."""
    options = arguments()
    tasks = [task.cut(options.cut) for file in options.curves for task in curves.read(file)]
    names = list(dict.fromkeys([NONE, TODAY, *options.rules]))
    print(f"{options.orders} orders of {options.trials}, {options.workers} worker(s)")
    if options.sampler != "random":
        for task in tasks:
            if task.settings is None:
                print(f"{task.name} has no settings, so that TPE can't search it")
        tasks = [task for task in tasks if task.settings is not None]
    values = measured(tasks, names, options)
    if len(tasks) > 1:
        print_task("All tasks", names, values.reshape(-1, *values.shape[2:]))
    print_differences(names, values)
    if len(tasks) > 1:
        print_choices(names, values[..., 1:3], SHARES[1:])
    if options.sampler == "random":
        print_foresight(tasks, options)
        print_one_epoch(tasks, options)


if __name__ == "__main__":
    main()
