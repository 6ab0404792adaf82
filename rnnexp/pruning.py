"""Pruning in the manner of EarlyStopping: a trial is held against its peers, epoch by epoch.

Keras's EarlyStopping stops a training that no longer improves on itself. This pruner stops
one that stays behind the others, with the same knobs: ``patience``, ``min_delta``,
``start_from_epoch``. It is a median stopping rule (Golovin et al., "Google Vizier", KDD
2017, section 3.2.2) that has to hold for several epochs in a row.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

FAR = 1e300  # stands for the best value of a peer that has none but NaN


@dataclass(frozen=True)
class Verdict:
    """Where a trial stands at its last reported epoch.

    Attributes:
        epoch: That epoch.
        value: Its value there; may be NaN.
        best: Its best value so far; infinite if there was none but NaN.
        bar: What it was held against; None if there was no bar, or if it isn't known.
        rule: The pruner, with its settings.
        peers: How many other trials have a value at that epoch.
        behind: For how many epochs in a row it is behind, counted up to the patience; None if
            the rule doesn't count.
    """

    epoch: int
    value: float
    best: float
    bar: float | None
    rule: str
    peers: int
    behind: int | None = None

    def __str__(self) -> str:
        """One sentence, for the log."""
        against = "" if self.bar is None else f", the bar is {self.bar:.4f}"
        return (
            f"pruned at epoch {self.epoch}: {self.value:.4f}, at best {self.best:.4f}{against} "
            f"({self.peers} peers, {self.rule})"
        )

    def tags(self) -> dict[str, object]:
        """The same for MLflow, each with ``pruned.`` before its name; without what isn't known."""
        told = {f"pruned.{name}": value for name, value in asdict(self).items()}
        return {name: value for name, value in told.items() if value is not None}


def verdict(study: optuna.Study, trial: FrozenTrial) -> Verdict | None:
    """Where a trial of any study stands with the study's pruner; None if it reported nothing.

    Optuna's own pruners tell neither their bar nor their count, only that they gave up.
    """
    if isinstance(study.pruner, EarlyStoppingPruner):
        return study.pruner.verdict(study, trial)
    if not trial.intermediate_values:
        return None
    epoch, value = max(trial.intermediate_values.items())
    numbers = [number for number in trial.intermediate_values.values() if not math.isnan(number)]
    better = min if study.direction == StudyDirection.MINIMIZE else max
    others = (other for other in study.get_trials(deepcopy=False) if other.number != trial.number)
    return Verdict(
        epoch=epoch,
        value=value,
        best=better(numbers, default=math.nan),
        bar=None,
        rule=type(study.pruner).__name__,
        peers=sum(epoch in other.intermediate_values for other in others),
    )


class EarlyStoppingPruner(optuna.pruners.BasePruner):
    """Prunes a trial that is behind its peers for ``patience`` epochs in a row.

    A trial is behind at an epoch when its best value so far is worse, by more than
    ``min_delta``, than the ``quantile`` of its peers' best values up to that same epoch.
    Peers are all other trials with a value at that epoch, whatever became of them. Catching
    up once sets the count back. NaN counts as behind; for a peer, it counts as no value.
    Epochs without a value (``validation_freq``) are skipped.

    With ``only_worsening`` an epoch counts as behind only if its value is also worse than the
    trial's own best before it, by more than ``min_delta``; and no epoch counts at a moment when the
    trial is better than an epoch ago. Who improves, waits on a plateau, or recovers, is left alone.
    The bar can then be the best of the peers, ``quantile=0``. It is EarlyStopping with less
    patience for trials that don't lead.

    The rule reads the study's stored values alone, so it gives the same answer in every
    process and after a resume. It works in any study with one objective.

    Args:
        patience: Epochs in a row, at least 1, that a trial has to be behind.
        min_delta: How much worse than the bar a trial may be, in units of the value.
        start_from_epoch: The first epoch that is judged, counted from 0.
        quantile: Which of the peers are the bar: 0.5 is their median, less is stricter.
        n_startup_trials: An epoch is judged only if so many peers have a value at it.
        only_worsening: Whether only trials are judged that are getting worse.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        patience: int = 2,
        min_delta: float = 0.0,
        start_from_epoch: int = 0,
        quantile: float = 0.5,
        n_startup_trials: int = 5,
        only_worsening: bool = False,
    ) -> None:
        problems = [
            f"{name}={value} must be {bounds}"
            for name, value, right, bounds in (
                ("patience", patience, patience >= 1, "at least 1"),
                ("min_delta", min_delta, min_delta >= 0, "at least 0"),
                ("start_from_epoch", start_from_epoch, start_from_epoch >= 0, "at least 0"),
                ("quantile", quantile, 0 <= quantile <= 1, "between 0 and 1"),
                ("n_startup_trials", n_startup_trials, n_startup_trials >= 1, "at least 1"),
            )
            if not right
        ]
        if problems:
            raise ValueError(f"EarlyStoppingPruner: {', '.join(problems)}")
        self.patience = patience
        self.min_delta = min_delta
        self.start_from_epoch = start_from_epoch
        self.quantile = quantile
        self.n_startup_trials = n_startup_trials
        self.only_worsening = only_worsening

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in vars(self).items())
        return f"{type(self).__name__}({settings})"

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether the trial is to be pruned, by the values reported so far."""
        verdict = self.verdict(study, trial)
        return verdict is not None and (verdict.behind or 0) >= self.patience

    def verdict(self, study: optuna.Study, trial: FrozenTrial) -> Verdict | None:
        """Where the trial stands; None if it has reported nothing."""
        if not trial.intermediate_values:
            return None
        # Everything below minimizes.
        sign = 1.0 if study.direction == StudyDirection.MINIMIZE else -1.0
        own = [(epoch, sign * value) for epoch, value in sorted(trial.intermediate_values.items())]
        peers = _Curves(
            [
                other.intermediate_values
                for other in study.get_trials(deepcopy=False)
                if other.number != trial.number and other.intermediate_values
            ],
            sign,
        )
        last, value = own[-1]
        bests = peers.best_up_to(last)
        bar = self._bar(bests)
        return Verdict(
            epoch=last,
            value=sign * value,
            best=sign * _best(own),
            bar=None if bar is None else sign * bar,
            rule=repr(self),
            peers=len(bests),
            behind=self._behind(own, peers),
        )

    def _behind(self, own: Sequence[tuple[int, float]], peers: "_Curves") -> int:
        """For how many epochs in a row a trial is behind, up to the patience.

        Args:
            own: Its epochs and values in order; less is better.
            peers: The others' values.
        """
        count = 0
        if self.only_worsening and len(own) > 1 and own[-1][1] < own[-2][1]:
            return count
        for n in reversed(range(len(own))):
            epoch, value = own[n]
            bar = self._bar(peers.best_up_to(epoch))
            if epoch < self.start_from_epoch or bar is None:
                break
            if not math.isnan(value):
                before = _best(own[:n])
                level = min(before, value) <= bar + self.min_delta
                if level or (self.only_worsening and value <= before + self.min_delta):
                    break
            count += 1
            if count == self.patience:
                break
        return count

    def _bar(self, bests: npt.NDArray[np.float64]) -> float | None:
        if len(bests) < self.n_startup_trials:
            return None
        # Finite, since a quantile that falls on a number beside an infinity would become NaN.
        return float(np.quantile(np.minimum(bests, FAR), self.quantile))


def _best(values: Sequence[tuple[int, float]]) -> float:
    return min((value for _, value in values if not math.isnan(value)), default=math.inf)


class _Curves:
    """Values by epoch of some trials, laid end to end: thousands are read within milliseconds."""

    def __init__(self, curves: Sequence[Mapping[int, float]], sign: float) -> None:
        size = sum(map(len, curves))
        values = np.fromiter(chain.from_iterable(c.values() for c in curves), np.float64, size)
        self._values = np.where(np.isnan(values), np.inf, sign * values)
        self._epochs = np.fromiter(chain.from_iterable(curves), np.int64, size)
        self._starts = np.cumsum([0, *map(len, curves[:-1])])

    def best_up_to(self, epoch: int) -> npt.NDArray[np.float64]:
        """The least value up to an epoch, of each trial with a value at it; infinite for NaN."""
        if not len(self._epochs):
            return np.empty(0)
        values = np.where(self._epochs <= epoch, self._values, np.inf)
        there = np.add.reduceat(self._epochs == epoch, self._starts) > 0
        bests: npt.NDArray[np.float64] = np.minimum.reduceat(values, self._starts)[there]
        return bests
