"""Leaders of a study: its best trials with distinct params, and the seeds to compare them over."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count, islice

from mlflow.entities import Run

from rnnexp.objective import Objective
from rnnexp.reproduce.paired_comparison import deviation, mean
from rnnexp.result import State
from rnnexp.storage.schema import Metrics, Tags

SEED = "seed"  # config key


@dataclass(frozen=True)
class Leader:
    """One of the best trials of a study; no two leaders have the same params.

    Attributes:
        run: The trial's run.
        values: The values over other seeds, by seed.
        diverged: The other seeds with which the training diverged, so that it has no value.
    """

    run: Run
    values: dict[int, float] = field(default_factory=dict)
    diverged: set[int] = field(default_factory=set)

    @property
    def seeds(self) -> set[int]:
        """The other seeds that the trial was trained with."""
        return self.values.keys() | self.diverged

    @property
    def trial(self) -> int:
        """The trial's number."""
        return int(self.run.data.tags[Tags.TRIAL])

    @property
    def params(self) -> dict[str, str]:
        """The trial's params, as MLflow stores them, without a searched seed."""
        return _params(self.run)

    @property
    def name(self) -> str:
        """The name of the trial's run, without a searched seed."""
        parts = str(self.run.info.run_name).split(" ")
        return " ".join(part for part in parts if not part.startswith(f"{SEED}="))

    @property
    def searched(self) -> float:
        """The value that the search found."""
        return float(self.run.data.metrics[Metrics.BEST_VALUE])

    @property
    def mean(self) -> float:
        """The mean over the other seeds; NaN without a value."""
        return mean(list(self.values.values()))

    @property
    def deviation(self) -> float:
        """The standard deviation over the other seeds; NaN with less than two values."""
        return deviation(list(self.values.values()))

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics that MLflow shows of the other seeds; empty without a value."""
        if not self.values:
            return {}
        found = {Metrics.CONFIRM_MEAN: self.mean, Metrics.CONFIRM_SEEDS: len(self.values)}
        if len(self.values) > 1:
            found[Metrics.CONFIRM_STD] = self.deviation
        return found


def leaders(trials: Sequence[Run], objective: Objective) -> list[Run]:
    """Return the best trial of each distinct set of params, the best first.

    Complete trials come first, and then pruned ones: with pausing, most trials of a study are
    paused when it ends, and told as pruned. Trials that differ in the seed alone have the same
    params. Trials that break a constraint are left out.

    Args:
        trials: Runs of trials.
        objective: What the trials' values are of.
    """
    states = (State.COMPLETE, State.PRUNED)
    ended = [
        run
        for run in trials
        if run.data.tags.get(Tags.STATE) in states
        and Metrics.BEST_VALUE in run.data.metrics
        and run.data.tags.get(Tags.FEASIBLE) != "false"
    ]

    def rank(run: Run) -> tuple[bool, float]:
        loss = objective.sort_key(run.data.metrics[Metrics.BEST_VALUE])
        return run.data.tags[Tags.STATE] != State.COMPLETE, loss

    best: dict[frozenset[tuple[str, str]], Run] = {}
    for run in sorted(ended, key=rank):
        best.setdefault(frozenset(_params(run).items()), run)
    return list(best.values())


def _params(run: Run) -> dict[str, str]:
    return {key: value for key, value in run.data.params.items() if key != SEED}


def other_seeds(used: set[int], known: set[int], n: int) -> list[int]:
    """Return seeds that a search never used: those of earlier confirmations, then the next ones.

    Args:
        used: The seeds of the search.
        known: The seeds of earlier confirmations.
        n: The number of seeds.
    """
    earlier = sorted(known - used)
    new = count(max(used | known, default=-1) + 1)
    return [*earlier, *islice(new, max(n - len(earlier), 0))][:n]
