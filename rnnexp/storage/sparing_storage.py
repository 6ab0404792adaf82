"""Optuna's storage in a database server, which reads running trials anew only now and then.

At each look at a study Optuna reads every running trial anew, with all of its values. A sweep looks
when a trial begins and ends, and the pruner of a job after an epoch. So with ten times as many
workers a database server would have a hundred times as much to read.
"""

import json
import math
import time
from collections.abc import Container, Iterator
from contextlib import contextmanager
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import text

from rnnexp.storage.schema import TrialAttrs

Status = tuple[str, str | None, str | None]  # a trial's state, its sweep, and whether it is paused

READS = 20  # of running trials in a second; so one of 1,000 running trials is read after 50 s
UNFINISHED = [state.name for state in TrialState if not state.is_finished()]
STATUSES = text(
    f"""
    SELECT trials.trial_id, trials.state, sweeps.value_json, paused.value_json
    FROM trials
    LEFT JOIN trial_user_attributes AS sweeps
    ON sweeps.trial_id = trials.trial_id AND sweeps.key = '{TrialAttrs.SWEEP}'
    LEFT JOIN trial_user_attributes AS paused
    ON paused.trial_id = trials.trial_id AND paused.key = '{TrialAttrs.PAUSED}'
    WHERE trials.study_id = :study
    AND (trials.trial_id > :ended OR trials.state IN ('{"', '".join(UNFINISHED)}'))
    """  # noqa: S608
)
ATTRIBUTE = text(
    "SELECT attrs.value_json FROM trial_user_attributes AS attrs "
    "WHERE attrs.trial_id = :trial AND attrs.key = :name"
)
STUDY_ATTRIBUTES = text(
    "SELECT attrs.key, attrs.value_json FROM study_user_attributes AS attrs "
    "WHERE attrs.study_id = :study AND attrs.key LIKE :names"
)


def sparing(storage: BaseStorage) -> "SparingStorage | None":
    """Return the `SparingStorage` behind the cache of Optuna; None if another storage is there."""
    backend = getattr(storage, "_backend", None)
    return backend if isinstance(backend, SparingStorage) else None


class SparingStorage(RDBStorage):
    """Optuna's storage, in which a look at a study reads its trials sparingly.

    Always as they are stored are the trials that there are, their states, which trials are paused,
    whose sweep's they are, and what this process has written. Other values and attributes that
    other processes have given to a running trial are as they were a moment ago: 0.05 s with two
    running trials, and 50 s with 1,000. ``get_trial`` returns a trial as it is.

    Args:
        url: The storage's URL.
        engine_kwargs: The arguments of SQLAlchemy's ``create_engine``.
        reads: The number of running trials that are read anew in a second.
    """

    def __init__(
        self, url: str, engine_kwargs: dict[str, Any] | None = None, reads: float = READS
    ) -> None:
        self._reads = reads
        self._read: dict[int, tuple[float, Status]] = {}  # of unfinished trials: when, and how
        self._written: dict[int, float] = {}  # when this process has written to trials
        super().__init__(url, engine_kwargs)

    def user_attr(self, trial_id: int, name: str) -> Any:
        """Return an attribute of a trial as it is stored, or None, and read nothing else."""
        with self.engine.connect() as connection:
            stored = connection.execute(ATTRIBUTE, {"trial": trial_id, "name": name}).scalar()
        return None if stored is None else json.loads(stored)

    def study_user_attrs(self, study_id: int, prefix: str) -> dict[str, Any]:
        """Return the attributes of a study whose names begin so, and read nothing else.

        Args:
            study_id: The study.
            prefix: The beginning, without a character that SQL has a use for.
        """
        given = {"study": study_id, "names": f"{prefix}%"}
        with self.engine.connect() as connection:
            rows = connection.execute(STUDY_ATTRIBUTES, given).all()
        return {name: json.loads(stored) for name, stored in rows}

    @contextmanager
    def _writing(self, trial_id: int) -> Iterator[None]:
        try:
            yield
        finally:  # an error may have come after the write
            self._written[trial_id] = time.monotonic()

    def _set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
        previous_distribution: BaseDistribution | None,
    ) -> None:
        with self._writing(trial_id):
            super()._set_trial_param(
                trial_id, param_name, param_value_internal, distribution, previous_distribution
            )

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """Store a value that a trial has reported."""
        with self._writing(trial_id):
            super().set_trial_intermediate_value(trial_id, step, intermediate_value)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Store an attribute of a trial."""
        with self._writing(trial_id):
            super().set_trial_user_attr(trial_id, key, value)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Store an attribute that Optuna gives to a trial."""
        with self._writing(trial_id):
            super().set_trial_system_attr(trial_id, key, value)

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        """Read the trials that Optuna's cache asks for, but for those that it knows well enough.

        Args:
            study_id: The study.
            states: The states to read; None for all, as the cache asks.
            included_trial_ids: The trials that had not ended when the cache asked last.
            trial_id_greater_than: The last trial that had ended.
        """
        last, now = trial_id_greater_than, time.monotonic()
        with self.engine.connect() as connection:
            rows = connection.execute(STATUSES, {"study": study_id, "ended": last}).all()
        found: dict[int, Status] = {row[0]: (row[1], row[2], row[3]) for row in rows}
        unfinished = {each: status for each, status in found.items() if status[0] in UNFINISHED}
        since = now - (len(unfinished) - 1) / self._reads
        known = {each for each, status in unfinished.items() if self._knows(each, status, since)}
        wanted = (included_trial_ids | found.keys()) - known
        if states is not None or not known:
            trials = super()._get_trials(study_id, states, included_trial_ids, last)
        elif wanted:
            trials = super()._get_trials(study_id, None, wanted, max(last, *found))
        else:
            trials = []
        if states is None:
            new = {k: (now, status) for k, status in unfinished.items() if k not in known}
            self._read = {each: self._read[each] for each in known} | new
            self._written = {k: when for k, when in self._written.items() if k in unfinished}
        return trials

    def _knows(self, trial_id: int, status: Status, since: float) -> bool:
        """Return whether a trial was read with this status since then, and since it was written."""
        when, before = self._read.get(trial_id, (-math.inf, None))
        return before == status and when > max(since, self._written.get(trial_id, -math.inf))
