"""A resume that changes what its study searches: what becomes of the earlier trials.

All earlier trials stay in the study, with their numbers: in its tables, in ``n_trials``, and as its
best trial, since a value is measured on and by the same. The sampler learns from those that fit the
new search space. A paused trial that does not fit rests until the study ends.

    the definitions of before and now -> SearchChange, or why it can't be
      -> before the first trial: the runs in MLflow, the study in Optuna
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from rnnexp.errors import ConfigError
from rnnexp.search.dimension import Params, Value
from rnnexp.search.space import Space
from rnnexp.search.space_change import (
    as_stored,
    carried,
    fits,
    must_be_rewritten,
    value_in,
    with_stored,
)
from rnnexp.search.study_definition import search_changes, searched_keys
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.storage.optuna_store import replaced
from rnnexp.storage.retry import retry_transient
from rnnexp.storage.run_creation import existing_run
from rnnexp.storage.schema import StudyAttrs, TrialAttrs
from rnnexp.storage.study_copy import load_study, rewrite_study
from rnnexp.sweep.heartbeat import live_sweeps
from rnnexp.sweep.settings import SweepSettings

log = logging.getLogger(__name__)

SHOWN = 3  # of the values that don't fit
_CMA = "cma:"  # begins the names of what Optuna's CMA-ES keeps in trials
TRIAL, TEXTS = "trial", "changes"  # keys of `StudyAttrs.CHANGES`


@dataclass(frozen=True)
class SearchChange:
    """How a resume changes the search of its study.

    Attributes:
        texts: What changes, for people.
        added: The value that the earlier trials have under each key that is newly searched.
        trials: The trials of the study as they were stored before.
        space: The search space of now.
        before: The definition of the study so far.
        now: The definition of the study from now on.
    """

    texts: tuple[str, ...]
    added: Mapping[str, Value]
    trials: Sequence[FrozenTrial]
    space: Space
    before: Mapping[str, str]
    now: Mapping[str, str]

    @property
    def earlier(self) -> list[Params]:
        """The params of the earlier trials, with the values of the keys that are searched now."""
        gone = replaced(self.trials)
        own = [t for t in self.trials if TrialAttrs.RUN_ID in t.user_attrs and t.number not in gone]
        return [carried(trial.params, self.added, self.space) for trial in own]

    @property
    def outside(self) -> list[Params]:
        """The params of the earlier trials that don't fit."""
        return [params for params in self.earlier if not fits(params, self.space)]

    @property
    def summary(self) -> list[str]:
        """What changes, and what of the earlier trials can't be carried over, as lines."""
        lines = [*self.texts]
        lines += [f"{key} is {value} in the earlier trials" for key, value in self.added.items()]
        total = len(self.earlier)
        if outside := self.outside:
            reasons = Counter(text for params in outside for text in self._reasons(params))
            shown = [f"{text} ({count})" for text, count in reasons.most_common(SHOWN)]
            more = ", ..." if len(reasons) > SHOWN else ""
            lines.append(
                f"{len(outside)} of {total} trials don't fit: {', '.join(shown)}{more}; "
                "they stay and count, but the sampler does not learn from them"
            )
        else:
            lines.append(f"all {total} earlier trials fit")
        return lines

    def _reasons(self, params: Params) -> list[str]:
        known = self.space.by_key
        wrong = [k for k, value in params.items() if k not in known or not known[k].holds(value)]
        missing = [k for k, d in known.items() if d.applies(params) and k not in params]
        if wrong or missing:
            return [*(f"{key}={params[key]}" for key in wrong), *(f"no {key}" for key in missing)]
        return [f"{key}={value}" for key, value in params.items() if not known[key].applies(params)]

    def problems(self) -> list[str]:
        """Return why the change can't be made; empty if it can be."""
        if self.earlier and len(self.outside) == len(self.earlier):
            return ["none of its trials fits the search space of now; begin a new study"]
        try:
            for trial in self.trials:
                self._as_stored(trial)
        except ValueError as error:
            return [str(error)]
        return []

    def _as_stored(self, trial: FrozenTrial) -> FrozenTrial:
        return as_stored(trial, self.added, self.space)

    def make(self, name: str, url: str, tracker: Tracker) -> None:
        """Change the study, last of all; a process that died before has changed nothing for good.

        Args:
            name: The study's name.
            url: The URL of Optuna's storage.
            tracker: The store of the runs.

        Raises:
            ConfigError: If another sweep has begun, or has changed the study, since it was read.
        """
        study = retry_transient(load_study)(name, url)
        if live_sweeps(study) or study.user_attrs.get(StudyAttrs.DEFINITION) != self.before:
            raise ConfigError([changed_meanwhile(name)])
        for line in self.summary:
            log.warning("the search changes: %s", line)
        self._tell_runs(tracker)
        entry = {TRIAL: len(self.trials), TEXTS: [*self.texts]}
        earlier = changes_of(study)
        attrs: dict[str, Any] = {
            StudyAttrs.CHANGES: [*(each for each in earlier if each != entry), entry],
            StudyAttrs.DEFINITION: dict(self.now),
        }
        stored = map(self._as_stored, self.trials)
        if any(map(must_be_rewritten, self.trials, stored)):
            rewrite_study(name, url, self._as_stored, attrs)
        else:
            for attr, value in attrs.items():
                retry_transient(study.set_user_attr)(attr, value)

    def _tell_runs(self, tracker: Tracker) -> None:
        """Log the values of the newly searched keys to the runs of the earlier trials."""
        client = tracker.client()
        for trial in self.trials if self.added else ():
            whole = carried(trial.params, self.added, self.space)
            new = {key: value for key, value in whole.items() if key not in trial.params}
            run_id = trial.user_attrs.get(TrialAttrs.RUN_ID)
            if run_id and new and existing_run(client, run_id):
                retry_transient(tracker.attach(run_id, "").log_batch)(params=new)


def changed_meanwhile(name: str) -> str:
    """Return the message on a study that another sweep has changed while this one began."""
    return (
        f"hydra.sweeper.resume={name}: another sweep of the study has begun, or has changed its "
        "search, a moment ago; give the command again"
    )


def changes_of(study: optuna.Study) -> list[dict[str, Any]]:
    """Return how earlier resumes have changed the search of a study, the first change first."""
    found: list[dict[str, Any]] = study.user_attrs.get(StudyAttrs.CHANGES, [])
    return found


def change_text(study: optuna.Study) -> str:
    """Describe how resumes have changed the search of a study, a line for each change."""
    return "\n".join(
        f"from trial {change[TRIAL]} on: {'; '.join(change[TEXTS])}" for change in changes_of(study)
    )


def search_change(
    settings: SweepSettings,
    study: optuna.Study,
    space: Space,
    definition: Mapping[str, str],
    groups: Mapping[str, str],
) -> tuple[SearchChange | None, Space, list[str]]:
    """Find out how a resume changes the search of its study.

    Args:
        settings: The settings of the sweep that resumes.
        study: The study to resume.
        space: The search space of now.
        definition: The definition that the study would have now.
        groups: The choice of each config group in a trial with nothing searched.

    Returns:
        The change, or None; the space, which knows the choices that the study stores; and why the
        change can't be made.
    """
    before = study.user_attrs.get(StudyAttrs.DEFINITION, definition)
    texts = search_changes(before, definition)
    trials = study.get_trials(deepcopy=False)
    problems = _state_problems(settings, trials) if texts or changes_of(study) else []
    where = f"hydra.sweeper.resume={study.study_name}: "
    if not texts:
        return None, with_stored(space, trials), [f"{where}{problem}" for problem in problems]
    if live_sweeps(study):
        problems.append("a sweep of it is running, and its search can be changed at its end only")
    added, unknown = _added(space, before, groups, trials)
    stored = with_stored(space, trials, added)
    change = SearchChange(tuple(texts.values()), added, trials, stored, before, definition)
    problems += unknown or change.problems()
    changed = f" ({'; '.join(texts.values())})"
    return change, stored, [f"{where}{problem}{changed}" for problem in problems]


def _added(
    space: Space,
    before: Mapping[str, str],
    groups: Mapping[str, str],
    trials: Sequence[FrozenTrial],
) -> tuple[dict[str, Value], list[str]]:
    """Return the values of the newly searched keys in the earlier trials, and what is not known."""
    added: dict[str, Value] = {}
    unknown: list[str] = []
    for d in space.dimensions:
        is_new = d.key not in searched_keys(before)
        if is_new and any(d.applies(carried(t.params, added, space)) for t in trials if t.params):
            if d.key in before or d.key in groups:
                try:
                    text = before[d.key] if d.key in before else str(groups[d.key])
                    added[d.key] = value_in(text, d)
                except ValueError as error:
                    unknown.append(f"{d.key} of the earlier trials is not known: {error}")
            else:
                unknown.append(
                    f"{d.key} of the earlier trials is not known, since their configs have no such "
                    "value; begin a new study, whose hydra.sweeper.enqueue may name this one"
                )
    return added, unknown


def _state_problems(settings: SweepSettings, trials: Sequence[FrozenTrial]) -> list[str]:
    """Return why a sampler can't go on after a change: CMA-ES keeps its ranges in the trials."""
    has_state = any(name.startswith(_CMA) for trial in trials for name in trial.system_attrs)
    if has_state and str(settings.sampler["_target_"]).endswith("CmaEsSampler"):
        return ["CmaEsSampler goes on in the ranges that it began with; give another sampler, such "
                "as sampler=tpe"]  # fmt: skip
    return []
