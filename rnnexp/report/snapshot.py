"""A study at one moment, and what a report shows of it; pure but for one read."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from rnnexp.evaluation.measures import Evaluation
from rnnexp.objective import Objective
from rnnexp.objectives import Objectives
from rnnexp.passwords import concealed_override
from rnnexp.report.ablation import Ablation, ablation_of
from rnnexp.report.importances import Importance, importances_of
from rnnexp.report.slices import Span, slices_of
from rnnexp.result import State
from rnnexp.search.dimension import Value
from rnnexp.search.space import short_key
from rnnexp.search.study_definition import parents, searched_keys
from rnnexp.storage.optuna_store import (
    best_epoch,
    best_of,
    best_unfinished,
    front,
    objectives_of,
    paused_result,
    ranked,
    reopenable,
    replaced,
    state_of,
    stored_result,
    values_of,
)
from rnnexp.storage.schema import StudyAttrs, TrialAttrs

RUNNING = TrialState.RUNNING.name
STATES = (*State, RUNNING)  # of a trial that has begun


@dataclass(frozen=True)
class Row:
    """A trial in the table of trials.

    Attributes:
        trial: The trial.
        best_value: The value of a complete trial; of another trial, the best value that the trial
            has reported; None without a finite value.
        best_epoch: The epoch of that value, from 0.
        epochs: The number of epochs that the trial has reported.
        seconds: The time that all attempts of the trial took; None while it runs.
        std: The standard deviation of the values whose mean `best_value` is; None of one value.
        measures: What else was measured of the trial, by name.
    """

    trial: FrozenTrial
    best_value: float | None
    best_epoch: int | None
    epochs: int
    seconds: float | None
    std: float | None = None
    measures: Mapping[str, float] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """The name of the trial's state, one of `STATES`."""
        return state_of(self.trial)

    @property
    def reason(self) -> str:
        """Why the trial was pruned, is paused, or failed; else empty."""
        result = stored_result(self.trial) or paused_result(self.trial)
        return result.reason if result else ""

    @property
    def host(self) -> str:
        """The machine that ran the trial; empty in a study of one machine."""
        return str(self.trial.user_attrs.get(TrialAttrs.HOST, ""))

    @property
    def run_id(self) -> str:
        """The trial's run in MLflow; empty if it has no run."""
        return str(self.trial.user_attrs.get(TrialAttrs.RUN_ID, ""))


@dataclass(frozen=True)
class Spent:
    """What the trials of one state took together."""

    trials: int
    epochs: int
    seconds: float


@dataclass(frozen=True)
class Snapshot:
    """A study at one moment.

    Attributes:
        name: The study's name.
        objectives: What the study optimizes, and the constraints.
        trials: The study's trials by number, without those in whose place another goes on.
        searched: How each key is searched, in Hydra's grammar.
        defaults: The config's own values of the searched keys, where those are searched.
        script: The application, as it was started.
        overrides: The overrides of the best trial; empty if they are not known.
        scores: The best trial's metrics on the test part.
        ended: Why no further trial was started; empty while the sweep runs.
        evaluation: How the best trial's model errs on the test part; None if that is not known.
    """

    name: str
    objectives: Objectives
    trials: Sequence[FrozenTrial]
    searched: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Value] = field(default_factory=dict)
    script: str = ""
    overrides: Sequence[str] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    ended: str = ""
    evaluation: Evaluation | None = None

    @property
    def objective(self) -> Objective:
        """The first objective, by which epochs are judged and params are analysed."""
        return self.objectives.first

    @cached_property
    def complete(self) -> list[FrozenTrial]:
        """The complete trials by number."""
        return [trial for trial in self.trials if trial.state == TrialState.COMPLETE]

    @cached_property
    def best(self) -> FrozenTrial | None:
        """The complete trial that wins; None if none is complete and meets the constraints."""
        return best_of(ranked(self.trials, self.objectives), self.objectives)

    @cached_property
    def front(self) -> list[FrozenTrial]:
        """The complete trials on the Pareto front, by number."""
        return front(self.trials, self.objectives)

    @cached_property
    def best_unfinished(self) -> Row | None:
        """The best trial that is paused or goes on after a pause, if it is better than `best`."""
        found = best_unfinished(self.trials, self.objectives, self.best)
        return self._row(found[0]) if found else None

    @cached_property
    def rows(self) -> list[Row]:
        """A row for each trial that has begun."""
        return [self._row(trial) for trial in self.trials if trial.datetime_start]

    def _row(self, trial: FrozenTrial) -> Row:
        reported, result = trial.intermediate_values, stored_result(trial)
        if trial.state == TrialState.COMPLETE:
            epoch, value = best_epoch(trial), trial.values[0]
        elif result and result.trainings:  # the best of the means so far is that of easy folds
            epoch, value = result.best_epoch, result.value
        else:
            epoch, value = self.objective.best(reported) or (None, None)
        seconds = _worked(trial, trial.datetime_complete)
        std = result.std if result else None
        measures = values_of(trial, self.objectives)
        return Row(trial, value, epoch, len(reported), seconds, std, measures)

    @cached_property
    def labels(self) -> dict[str, str]:
        """A short name for each searched key; the whole key where short names would collide."""
        keys = list(dict.fromkeys([*self.searched, *(k for t in self.trials for k in t.params)]))
        short = [short_key(key) for key in keys]
        return {
            key: name if short.count(name) == 1 else key
            for key, name in zip(keys, short, strict=True)
        }

    @property
    def command(self) -> str:
        """The command that trains the best trial again; empty if it is not known."""
        if not self.overrides:
            return ""
        return f"python {shlex.join([self.script, *map(concealed_override, self.overrides)])}"

    @property
    def until(self) -> datetime | None:
        """The last moment at which a trial began, was paused or ended."""
        spans = (span for t in self.trials for span in slices_of(t))
        times = (time for span in spans for time in span)
        return max((time for time in times if time), default=None)

    @property
    def took(self) -> timedelta:
        """The time from the first trial's start to `until`."""
        began = min((t.datetime_start for t in self.trials if t.datetime_start), default=None)
        return self.until - began if began and self.until else timedelta()

    @cached_property
    def spent(self) -> dict[str, Spent]:
        """What the trials of each state took; running trials count up to `until`."""
        spent = {}
        for state in STATES:
            rows = [row for row in self.rows if row.state == state]
            if rows:
                worked = [_worked(row.trial, self._end(row.trial)) or 0.0 for row in rows]
                spent[state] = Spent(len(rows), sum(row.epochs for row in rows), sum(worked))
        return spent

    def spans(self, trial: FrozenTrial) -> list[Span]:
        """Return the start and the end of each slice of a trial; `until` while a slice runs."""
        return [(start, end or self._end(trial)) for start, end in slices_of(trial)]

    def _end(self, trial: FrozenTrial) -> datetime:
        return trial.datetime_complete or self.until or datetime.max

    @cached_property
    def completed_study(self) -> optuna.Study:
        """A study in memory with the complete trials, by short keys, for Optuna's analyses.

        Trials that were paused when the study ended count as complete, with their best values. All
        other trials are failed trials there, so that each trial keeps its number.
        """
        rows = [self._row(trial) for trial in [*self.complete, *reopenable(self.trials)]]
        return _completed(rows, self.labels, self.objective)

    @cached_property
    def completed_values(self) -> list[float]:
        """The values of the complete trials of `completed_study`."""
        complete = self.completed_study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
        return [trial.values[0] for trial in complete]

    @cached_property
    def importances(self) -> list[Importance] | str:
        """The importances of the searched keys, or why there are none; see `importances_of`."""
        return importances_of(self.completed_study)

    @cached_property
    def ablation(self) -> Ablation | str:
        """The path from the defaults to the best trial, or why there is none; see `ablation_of`."""
        if self.best is None:
            return "no trial is complete yet"
        above = parents(self.searched)
        return ablation_of(self.trials, self.best, self.defaults, above, self.objective)


def snapshot_of(
    study: optuna.Study,
    *,
    overrides: Sequence[str] = (),
    scores: Mapping[str, float] | None = None,
    ended: str = "",
    evaluation: Evaluation | None = None,
) -> Snapshot:
    """Read a study, once.

    Args:
        study: The study.
        overrides: The overrides of the study's best trial.
        scores: The best trial's metrics on the test part.
        ended: Why no further trial was started; empty while the sweep runs.
        evaluation: How the best trial's model errs on the test part; None if that is not known.
    """
    attrs, trials = study.user_attrs, study.get_trials(deepcopy=False)
    gone = replaced(trials)
    return Snapshot(
        name=study.study_name,
        objectives=objectives_of(study),
        trials=[trial for trial in trials if trial.number not in gone],
        searched=searched_keys(attrs.get(StudyAttrs.DEFINITION, {})),
        defaults=attrs.get(StudyAttrs.DEFAULTS, {}),
        script=attrs.get(StudyAttrs.SCRIPT, "sweep.py"),
        overrides=overrides,
        scores=scores or {},
        ended=ended,
        evaluation=evaluation,
    )


def _completed(
    rows: Sequence[Row], labels: Mapping[str, str], objective: Objective
) -> optuna.Study:
    study = optuna.create_study(direction=objective.direction)
    by_number = {row.trial.number: row for row in rows if row.best_value is not None}
    study.add_trials(
        create_trial(
            value=row.best_value,
            params={labels[key]: value for key, value in row.trial.params.items()},
            distributions={labels[key]: d for key, d in row.trial.distributions.items()},
        )
        if (row := by_number.get(number))
        else create_trial(state=TrialState.FAIL)
        for number in range(max(by_number, default=-1) + 1)
    )
    return study


def _worked(trial: FrozenTrial, end: datetime | None) -> float | None:
    """Return the seconds for which a trial ran, without the time between its attempts.

    Args:
        trial: The trial.
        end: Until when it ran; None if that is not known.
    """
    result = stored_result(trial) or paused_result(trial)
    if result and result.seconds is not None:
        return result.seconds
    if not trial.datetime_start or not end:
        return None
    # Written by a later attempt; of an attempt that died before, nothing is known.
    clock = trial.user_attrs.get(TrialAttrs.CLOCK)
    before = clock["seconds"] if clock else 0.0
    since = datetime.fromisoformat(clock["since"]) if clock else trial.datetime_start
    return float(before + max((end - since).total_seconds(), 0.0))
