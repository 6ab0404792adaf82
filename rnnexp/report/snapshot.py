"""A study at one moment, and what can be told from it; pure but for the one read."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from statistics import median

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from rnnexp.search.space import short_key
from rnnexp.storage.optuna_store import best_epoch, stored_result
from rnnexp.storage.schema import StudyAttrs, TrialAttrs

ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


@dataclass(frozen=True)
class Row:
    """What is told of one trial.

    Attributes:
        trial: The trial.
        best_value: The study's value of a complete trial, else the best that it reported.
        best_epoch: The epoch of that value, from 0.
        epochs: How many epochs it reported.
        seconds: From its start to its end; None if it has not ended.
    """

    trial: FrozenTrial
    best_value: float | None
    best_epoch: int | None
    epochs: int
    seconds: float | None

    @property
    def reason(self) -> str:
        """Why it was pruned or failed."""
        result = stored_result(self.trial)
        return result.reason if result else ""

    @property
    def run_id(self) -> str:
        """Its run in MLflow; empty if it has none."""
        return str(self.trial.user_attrs.get(TrialAttrs.RUN_ID, ""))


@dataclass(frozen=True)
class Spent:
    """What the trials of one state have taken."""

    trials: int
    epochs: int
    seconds: float


@dataclass(frozen=True)
class Snapshot:
    """A study at one moment.

    Attributes:
        name: The study's name.
        direction: What is better.
        monitor: What the value is, such as ``val_loss``.
        trials: Its trials by number.
        searched: How each key is searched, in Hydra's grammar.
        script: The application, as it was started.
        overrides: Those of the best trial; empty if they are not known.
        scores: The best trial's metrics on the test part.
        ended: Why no further trial began; empty while the sweep runs.
    """

    name: str
    direction: StudyDirection
    monitor: str
    trials: Sequence[FrozenTrial]
    searched: Mapping[str, str] = field(default_factory=dict)
    script: str = ""
    overrides: Sequence[str] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    ended: str = ""

    @property
    def sign(self) -> int:
        """1 if less is better, else -1."""
        return 1 if self.direction == StudyDirection.MINIMIZE else -1

    @cached_property
    def complete(self) -> list[FrozenTrial]:
        """The trials that have completed."""
        return [trial for trial in self.trials if trial.state == TrialState.COMPLETE]

    @cached_property
    def best(self) -> FrozenTrial | None:
        """The best of them."""
        return min(self.complete, key=lambda t: self.sign * (t.value or 0.0), default=None)

    @cached_property
    def rows(self) -> list[Row]:
        """What is told of each trial that has begun."""
        return [self._row(trial) for trial in self.trials if trial.datetime_start]

    def _row(self, trial: FrozenTrial) -> Row:
        reported = trial.intermediate_values
        epoch = best_epoch(trial)
        best_value = trial.value if trial.state == TrialState.COMPLETE else None
        if best_value is None and reported:
            epoch = min(reported, key=lambda step: self.sign * reported[step])
            best_value = reported[epoch]
        return Row(trial, best_value, epoch, len(reported), _seconds(trial))

    @cached_property
    def labels(self) -> dict[str, str]:
        """A short name for each searched key; the whole key where two would have the same."""
        keys = list(dict.fromkeys([*self.searched, *(k for t in self.trials for k in t.params)]))
        short = [short_key(key) for key in keys]
        return {
            key: name if short.count(name) == 1 else key
            for key, name in zip(keys, short, strict=True)
        }

    @property
    def command(self) -> str:
        """What trains the best setting again; empty if that is not known."""
        return f"python {shlex.join([self.script, *self.overrides])}" if self.overrides else ""

    @property
    def until(self) -> datetime | None:
        """The last thing that is known to have happened."""
        times = (time for t in self.trials for time in (t.datetime_start, t.datetime_complete))
        return max((time for time in times if time), default=None)

    @property
    def took(self) -> timedelta:
        """From the first trial's start until then."""
        began = min((t.datetime_start for t in self.trials if t.datetime_start), default=None)
        return self.until - began if began and self.until else timedelta()

    @cached_property
    def spent(self) -> dict[TrialState, Spent]:
        """What the trials of each state have taken; those that run count until `until`."""
        spent = {}
        for state in (*ENDED, TrialState.RUNNING):
            rows = [row for row in self.rows if row.trial.state == state]
            if rows:
                spans = [self.span(row.trial) for row in rows]
                seconds = sum((end - start).total_seconds() for start, end in spans)
                spent[state] = Spent(len(rows), sum(row.epochs for row in rows), seconds)
        return spent

    def span(self, trial: FrozenTrial) -> tuple[datetime, datetime]:
        """From when to when a trial that has begun ran; one that runs has no end but `until`."""
        start = trial.datetime_start or datetime.max
        return start, trial.datetime_complete or max(self.until or start, start)

    @property
    def saved(self) -> tuple[int, float] | None:
        """Epochs and seconds that pruning has saved.

        A pruned trial would have gone as far as the median of the complete ones, at its own
        speed. None if nothing was pruned, or nothing completed.
        """
        pruned = [row for row in self.rows if row.trial.state == TrialState.PRUNED and row.epochs]
        if not pruned or not self.complete:
            return None
        usual = round(median(len(trial.intermediate_values) for trial in self.complete))
        left = [(max(usual - row.epochs, 0), row) for row in pruned]
        seconds = sum(n * (row.seconds or 0.0) / row.epochs for n, row in left)
        return sum(n for n, _ in left), seconds

    @cached_property
    def completed_study(self) -> optuna.Study:
        """A study in memory with the complete trials, under short keys, for Optuna's analyses.

        All other trials have failed in it, so that numbers stay what they are.
        """
        study = optuna.create_study(direction=self.direction)
        study.add_trials(
            create_trial(
                value=trial.value,
                params={self.labels[key]: value for key, value in trial.params.items()},
                distributions={self.labels[key]: d for key, d in trial.distributions.items()},
            )
            if trial.state == TrialState.COMPLETE
            else create_trial(state=TrialState.FAIL)
            for trial in self.trials
        )
        return study

    @cached_property
    def importances(self) -> dict[str, float] | str:
        """How much each key, by its label, has to do with being among the best; or why not known.

        PED-ANOVA (https://arxiv.org/abs/2304.10255), since it takes milliseconds for 1,000
        trials and can deal with keys that only some trials have.
        """
        varied = {
            self.labels[key]
            for key in self.labels
            if len({t.params[key] for t in self.complete if key in t.params}) > 1
        }
        if len({trial.value for trial in self.complete}) < 2:
            return "it takes two complete trials with different values"
        if len(varied) < 2:
            return "it takes two searched keys that vary among the complete trials"
        evaluator = PedAnovaImportanceEvaluator()
        found = get_param_importances(
            self.completed_study, evaluator=evaluator, params=sorted(varied)
        )
        if len(set(found.values())) == 1:  # what Optuna gives if it has found nothing
            return "the complete trials don't tell the searched keys apart yet"
        return found


def snapshot_of(
    study: optuna.Study,
    *,
    overrides: Sequence[str] = (),
    scores: Mapping[str, float] | None = None,
    ended: str = "",
) -> Snapshot:
    """Read a study, once.

    Args:
        study: The study.
        overrides: Those of its best trial.
        scores: The best trial's metrics on the test part.
        ended: Why no further trial began; empty while the sweep runs.
    """
    attrs = study.user_attrs
    definition = attrs.get(StudyAttrs.DEFINITION, {})
    prefix = "search of "
    return Snapshot(
        name=study.study_name,
        direction=study.direction,
        monitor=definition.get("objective.monitor", "value"),
        trials=study.get_trials(deepcopy=False),
        searched={
            key.removeprefix(prefix): grammar
            for key, grammar in definition.items()
            if key.startswith(prefix)
        },
        script=attrs.get(StudyAttrs.SCRIPT, "sweep.py"),
        overrides=overrides,
        scores=scores or {},
        ended=ended,
    )


def lanes(spans: Sequence[tuple[datetime, datetime]]) -> list[int]:
    """Which slot each of some trials ran in: the first that is free when it begins.

    A slot is refilled as soon as it is free, so these are the workers, but for their order.

    Args:
        spans: Start and end of each trial.
    """
    free: list[datetime] = []  # since when, by slot
    found = [0] * len(spans)
    for number in sorted(range(len(spans)), key=lambda n: spans[n]):
        start, end = spans[number]
        slot = next((slot for slot, since in enumerate(free) if since <= start), len(free))
        free[slot : slot + 1] = [end]
        found[number] = slot
    return found


def _seconds(trial: FrozenTrial) -> float | None:
    if not trial.datetime_start or not trial.datetime_complete:
        return None
    return (trial.datetime_complete - trial.datetime_start).total_seconds()
