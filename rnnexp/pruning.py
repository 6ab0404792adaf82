"""A pruner in the manner of EarlyStopping: a trial is compared with its peers, epoch by epoch.

Keras's EarlyStopping stops a training that no longer improves on itself. This pruner stops a trial
that stays behind the others, with the same knobs: ``patience``, ``min_delta``,
``start_from_epoch``. The pruner is a median stopping rule (Golovin et al., "Google Vizier", KDD
2017, section 3.2.2) that has to hold for several epochs in a row.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import chain
from typing import Self

import numpy as np
import numpy.typing as npt
import optuna
from optuna.trial import FrozenTrial

from rnnexp.number_ranges import COUNT, NOT_NEGATIVE, UNIT, WHOLE
from rnnexp.objective import Objective
from rnnexp.objectives import OTHERS
from rnnexp.trial_reader import TrialReader

WORST = 1e300  # the best value of a peer that reported nothing but NaN
BLOCK = 100  # the number of trials that end before their values are kept in one array


@dataclass(frozen=True)
class Verdict:
    """How a trial compares with its peers at its last reported epoch.

    Attributes:
        epoch: The last reported epoch, from 0.
        value: The trial's value at that epoch; may be NaN.
        best: The trial's best value so far; NaN if no value was a number.
        threshold: The best value of the peers that the trial was compared with; None if there
            were too few peers, or if the pruner doesn't report its threshold.
        rule: The pruner, with its arguments.
        peers: The number of other trials with a value at that epoch.
        behind: The number of epochs in a row at which the trial was behind, up to the patience;
            None if the pruner doesn't count.
        compared_with: The peers, or the pruner and the peers, in short: ``best of 2 peers``.
    """

    epoch: int
    value: float
    best: float
    threshold: float | None
    rule: str
    peers: int
    behind: int | None = None
    compared_with: str = ""

    def __str__(self) -> str:
        """Describe the verdict in one sentence, for the log and the reason of the trial."""
        threshold = "" if self.threshold is None else f", threshold {self.threshold:.4f}"
        return (
            f"pruned at epoch {self.epoch}: {self.value:.4f}, best {self.best:.4f}{threshold} "
            f"({self.compared_with})"
        )

    def known_fields(self) -> dict[str, object]:
        """Return the fields by name, without those that are not known or follow from others."""
        values = asdict(self)
        del values["compared_with"]
        return {name: value for name, value in values.items() if value is not None}


def verdict_of(study: optuna.Study, trial: FrozenTrial) -> Verdict | None:
    """Return how a trial compares with its peers, whatever the study's pruner is.

    Optuna's own pruners report neither their threshold nor a count, only that a trial is pruned.

    Returns:
        The verdict; None if the trial has reported nothing.
    """
    if isinstance(study.pruner, EarlyStoppingPruner):
        return study.pruner.verdict(study, trial)
    if not trial.intermediate_values:
        return None
    epoch, value = max(trial.intermediate_values.items())
    best = Objective.of_direction(_direction(study)).best(trial.intermediate_values)
    others = (other for other in study.get_trials(deepcopy=False) if other.number != trial.number)
    name = type(study.pruner).__name__
    peers = sum(epoch in other.intermediate_values for other in others)
    return Verdict(
        epoch=epoch,
        value=value,
        best=best[1] if best else math.nan,
        threshold=None,
        rule=name,
        peers=peers,
        compared_with=f"{name}, {_count(peers)}",
    )


def _count(peers: int) -> str:
    return f"{peers} peer{'' if peers == 1 else 's'}"


class EarlyStoppingPruner(optuna.pruners.BasePruner):
    """Prune a trial that is behind its peers for ``patience`` epochs in a row.

    A trial is behind at an epoch when its best value so far is worse, by more than ``min_delta``,
    than the threshold: the ``quantile`` of the best values of its peers up to that same epoch.
    Peers are all other trials with a value at that epoch, whatever their state is. Catching up once
    resets the count. NaN counts as behind, and of a peer as no value. Epochs without a value
    (``validation_freq``) are skipped.

    With ``only_worsening`` an epoch counts only if the trial's value is also worse than its own
    best before, by more than ``min_delta``, and none while the trial is better than an epoch ago. A
    trial that improves, recovers or is on a plateau never counts, so ``quantile=0`` can be given.

    With several objectives the peers are those that are no worse by all others at that epoch; with
    ``quantile=0`` a trial is behind when it is dominated.

    The rule reads the study's stored values alone, so the answer is the same in every process and
    after a resume. The pruner works in any Optuna study with one objective.

    Example:
        >>> import optuna
        >>> from rnnexp import EarlyStoppingPruner
        >>> def objective(trial):
        ...     x = trial.suggest_float("x", 0, 1)
        ...     for epoch in range(10):
        ...         trial.report(x + 1 / (epoch + 1), epoch)
        ...         if trial.should_prune():
        ...             raise optuna.TrialPruned
        ...     return x
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> sampler = optuna.samplers.RandomSampler(seed=0)
        >>> study = optuna.create_study(sampler=sampler, pruner=EarlyStoppingPruner(patience=2))
        >>> study.optimize(objective, n_trials=20)
        >>> sum(trial.state.name == "PRUNED" for trial in study.trials) > 0
        True

    Args:
        patience: The number of epochs in a row, at least 1, at which a trial has to be behind.
        min_delta: How much worse than the threshold a trial may be, in units of the value.
        start_from_epoch: The first epoch that is judged, from 0.
        quantile: Which of the peers' values is the threshold: 0.5 is their median, 0 their best.
        n_startup_trials: The number of peers with a value at an epoch that it takes to judge it.
        only_worsening: Whether only trials that are getting worse are judged.

    Raises:
        ValueError: If an argument is out of its range.
    """

    _by_best = True  # a trial is judged by its best value so far

    def __init__(
        self,
        patience: int = 2,
        min_delta: float = 0.0,
        start_from_epoch: int = 0,
        quantile: float = 0.5,
        n_startup_trials: int = 5,
        only_worsening: bool = False,
    ) -> None:
        arguments = {
            "patience": (patience, COUNT),
            "min_delta": (min_delta, NOT_NEGATIVE),
            "start_from_epoch": (start_from_epoch, WHOLE),
            "quantile": (quantile, UNIT),
            "n_startup_trials": (n_startup_trials, COUNT),
        }
        problems = [
            problem
            for name, (value, allowed) in arguments.items()
            for problem in allowed.problems(name, value)
        ]
        if problems:
            raise ValueError(f"EarlyStoppingPruner: {'; '.join(problems)}")
        self.patience = patience
        self.min_delta = min_delta
        self.start_from_epoch = start_from_epoch
        self.quantile = quantile
        self.n_startup_trials = n_startup_trials
        self.only_worsening = only_worsening

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value}" for name, value in vars(self).items())
        return f"{type(self).__name__}({arguments})"

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return whether the trial is to be pruned, by the values reported so far.

        The peers are read only if the trial would be pruned next to the best peers that there can
        be: most trials improve, and to read the running trials of a large study is expensive.
        """
        own = _losses(study, trial)
        if self._behind(own, lambda epoch: -math.inf) < self.patience:  # noqa: ARG005
            return False
        verdict = self.verdict(study, trial)
        return verdict is not None and (verdict.behind or 0) >= self.patience

    def verdict(self, study: optuna.Study, trial: FrozenTrial) -> Verdict | None:
        """Return how the trial compares with its peers; None if it has reported nothing."""
        if not trial.intermediate_values:
            return None
        sign, own = _sign(study), _losses(study, trial)
        peers = _peers_of(study, trial, sign)
        last, value = own[-1]
        bests = peers.values(last, self._by_best)
        threshold = self._threshold(bests)
        return Verdict(
            epoch=last,
            value=sign * value,
            best=sign * _best(own) if math.isfinite(_best(own)) else math.nan,
            threshold=None if threshold is None else sign * threshold,
            rule=repr(self),
            peers=len(bests),
            behind=self._behind(own, lambda n: self._threshold(peers.values(n, self._by_best))),
            compared_with=f"{_quantile_name(self.quantile)} of {_count(len(bests))}{peers.kind}",
        )

    def _behind(
        self, own: Sequence[tuple[int, float]], threshold_at: Callable[[int], float | None]
    ) -> int:
        """Count the epochs in a row at which a trial is behind, up to the patience.

        Args:
            own: The trial's epochs and losses, in order.
            threshold_at: The threshold at an epoch; None if there are too few peers.
        """
        count = 0
        if self.only_worsening and len(own) > 1 and own[-1][1] < own[-2][1]:
            return count
        for n in reversed(range(len(own))):
            epoch, value = own[n]
            threshold = threshold_at(epoch)
            if epoch < self.start_from_epoch or threshold is None:
                break
            if not math.isnan(value):
                before = _best(own[:n]) if self._by_best else math.inf
                is_level = min(before, value) <= threshold + self.min_delta
                if is_level or (self.only_worsening and value <= before + self.min_delta):
                    break
            count += 1
            if count == self.patience:
                break
        return count

    def _threshold(self, bests: npt.NDArray[np.float64]) -> float | None:
        if len(bests) < self.n_startup_trials:
            return None
        # Finite, since a quantile between a number and infinity would be NaN.
        return float(np.quantile(np.minimum(bests, WORST), self.quantile))


def _quantile_name(quantile: float) -> str:
    names = {0: "best", 0.5: "median", 1: "worst"}
    return names.get(quantile, f"quantile {quantile:g}")


class MeansPruner(EarlyStoppingPruner):
    """Prune a trial that is behind its peers, where values are means over the folds so far.

    Such a mean is no learning curve: its best value is that of the easiest folds. So a trial is
    behind at a fold when its mean is worse than the quantile of its peers' means at that fold.
    ``only_worsening`` has no meaning. The folds are the same for all trials, so that means over
    equally many folds can be compared.
    """

    _by_best = False

    @classmethod
    def like(cls, pruner: EarlyStoppingPruner) -> Self:
        """Make a pruner with the arguments of another one."""
        return cls(**vars(pruner) | {"only_worsening": False})


def _direction(study: optuna.Study) -> str:
    """Return the direction of a study's first objective, by which epochs are compared."""
    return study.directions[0].name.lower()


def _sign(study: optuna.Study) -> int:
    """Return the factor that turns a value of a study into a loss."""
    return Objective.of_direction(_direction(study)).sign


def _losses(study: optuna.Study, trial: FrozenTrial) -> list[tuple[int, float]]:
    """Return the epochs and losses of a trial, in order."""
    sign = _sign(study)
    return [(epoch, sign * value) for epoch, value in sorted(trial.intermediate_values.items())]


def _peers_of(study: optuna.Study, trial: FrozenTrial, sign: int) -> "_Peers | _Curves | _Rivals":
    if len(study.directions) > 1:
        return _Rivals(study, trial, sign)
    if trial.state.is_finished():  # judged afterwards, and among those that have ended
        others = (each for each in study.get_trials(deepcopy=False) if each.number != trial.number)
        return _Curves(_reported(others), sign)
    return _peers_in(study, sign).read(trial)


def _best(values: Sequence[tuple[int, float]]) -> float:
    return min((value for _, value in values if not math.isnan(value)), default=math.inf)


class _Peers:
    """The losses by epoch of a study's trials, of which those that have ended are read once.

    Args:
        study: The study.
        sign: The factor that turns a value into a loss.
    """

    kind = ""  # which of the other trials these are

    def __init__(self, study: optuna.Study, sign: int) -> None:
        self._reader = TrialReader(study)
        self._sign = sign
        self._blocks: list[_Curves] = []  # of trials that have ended
        self._recent: list[Mapping[int, float]] = []  # of those that are in no block yet
        self._others = _Curves([], sign)

    def read(self, trial: FrozenTrial) -> Self:
        """Read what has been reported since the last time, and return this object.

        Args:
            trial: The running trial that is left out.
        """
        self._recent += _reported(self._reader.newly_ended())
        if len(self._recent) > BLOCK:
            self._blocks.append(_Curves(self._recent, self._sign))
            self._recent = []
        running = [each for each in self._reader.unfinished if each.number != trial.number]
        self._others = _Curves([*self._recent, *_reported(running)], self._sign)
        return self

    def values(self, epoch: int, by_best: bool) -> npt.NDArray[np.float64]:
        """Return the losses at an epoch; see `_Curves.values`."""
        return np.concatenate([c.values(epoch, by_best) for c in (*self._blocks, self._others)])


def _reported(trials: Iterable[FrozenTrial]) -> list[Mapping[int, float]]:
    return [trial.intermediate_values for trial in trials if trial.intermediate_values]


@lru_cache(maxsize=4)  # a process works on few studies at a time, and opens many in its life
def _peers_in(study: optuna.Study, sign: int) -> _Peers:
    return _Peers(study, sign)


class _Curves:
    """Losses by epoch of some trials in one array, so that thousands are read in milliseconds."""

    kind = ""

    def __init__(self, curves: Sequence[Mapping[int, float]], sign: int) -> None:
        size = sum(map(len, curves))
        values = np.fromiter(chain.from_iterable(c.values() for c in curves), np.float64, size)
        self._values = np.where(np.isnan(values), np.inf, sign * values)
        self._epochs = np.fromiter(chain.from_iterable(curves), np.int64, size)
        self._starts = np.cumsum([0, *map(len, curves[:-1])])

    def values(self, epoch: int, by_best: bool) -> npt.NDArray[np.float64]:
        """Return the loss at an epoch of each trial with a value there; inf for NaN.

        Args:
            epoch: The epoch.
            by_best: Whether to return the least loss up to the epoch.
        """
        if not len(self._epochs):
            return np.empty(0)
        if not by_best:
            last: npt.NDArray[np.float64] = self._values[self._epochs == epoch]
            return last
        values = np.where(self._epochs <= epoch, self._values, np.inf)
        there = np.add.reduceat(self._epochs == epoch, self._starts) > 0
        bests: npt.NDArray[np.float64] = np.minimum.reduceat(values, self._starts)[there]
        return bests


class _Rivals:
    """The losses by epoch of the peers that are no worse by the other objectives of a study.

    Args:
        study: The study, of several objectives.
        trial: The trial that is judged.
        sign: The factor that turns a value of the first objective into a loss.
    """

    kind = " that are no worse by the other objectives"

    def __init__(self, study: optuna.Study, trial: FrozenTrial, sign: int) -> None:
        further = (direction.name.lower() for direction in study.directions[1:])
        self._others = [Objective.of_direction(direction) for direction in further]
        self._own = trial.user_attrs.get(OTHERS, {})
        trials = study.get_trials(deepcopy=False)
        self._peers = [t for t in trials if t.number != trial.number and t.intermediate_values]
        self._sign = sign

    def values(self, epoch: int, by_best: bool) -> npt.NDArray[np.float64]:
        """Return the losses at an epoch; see `_Curves.values`."""
        own = self._losses(self._own, epoch)
        rivals = [
            trial.intermediate_values
            for trial in self._peers
            if epoch in trial.intermediate_values
            and all(
                theirs <= mine
                for theirs, mine in zip(
                    self._losses(trial.user_attrs.get(OTHERS, {}), epoch), own, strict=True
                )
            )
        ]
        return _Curves(rivals, self._sign).values(epoch, by_best)

    def _losses(self, stored: Mapping[str, Sequence[float]], epoch: int) -> list[float]:
        """Return what was stored of the other objectives at an epoch, as losses."""
        values = stored.get(str(epoch)) or [math.nan] * len(self._others)
        return [each.sort_key(value) for each, value in zip(self._others, values, strict=False)]
