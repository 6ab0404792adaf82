"""The outcome of a sweep, as a value: what it has found, and how it ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rnnexp.errors import SweepError
from rnnexp.objectives import Objectives
from rnnexp.result import State


@dataclass(frozen=True)
class BestTrial:
    """The best trial of a study, as the summary shows it.

    Attributes:
        number: The trial's number.
        value: The trial's value.
        epoch: The epoch of that value, from 0; None if the application doesn't count epochs.
        std: The standard deviation of the values whose mean the value is; None of one value.
        measures: What else was measured of the trial: other objectives, and what constraints are
            on, by name.
        params: The searched values by key, as they are written in overrides.
        overrides: The overrides that the trial was run with.
        run_id: The trial's run in MLflow; None if it has none.
    """

    number: int
    value: float
    epoch: int | None
    params: Mapping[str, str]
    overrides: Sequence[str]
    run_id: str | None
    std: float | None = None
    measures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class FrontTrial:
    """A trial on the Pareto front of a study.

    Attributes:
        number: The trial's number.
        values: The trial's value by each objective.
        params: The searched values by key, as they are written in overrides.
    """

    number: int
    values: Sequence[float]
    params: Mapping[str, str]


@dataclass(frozen=True)
class SweepOutcome:
    """What a sweep has found, and how it ended.

    Attributes:
        study: The study's name.
        counts: The number of trials that have ended, by state.
        best: The best trial; None if no trial is complete.
        scores: The best trial's metrics on the test part, by name; may be empty.
        paused: The number of trials that were paused when the study ended; a resume lets these
            trials go on.
        published: What was done with the best model, each line with a command.
        stopped: Why no further trial began.
        error: Why the sweep ended early: an interruption, or too many failed trials.
        failed_steps: The steps of the end that failed, each with the error.
        report: The report's file; None if it could not be written.
        findings: Why the best trial won, and what to try next, in sentences.
        n_trials: The number of trials that were asked for; None if there was no limit, or if
            nothing is left to try.
        front: The trials on the Pareto front, the winner first; empty with one objective.
        objectives: What the study optimizes, and the constraints.
        is_shared: Whether other sweeps of the study ran at its end: these tell its best trial, if
            it is theirs.
        browse: How to browse the runs in MLflow.
        storage: Optuna's storage URL.
    """

    study: str
    counts: Mapping[State, int]
    best: BestTrial | None
    stopped: str
    browse: str
    storage: str = field(repr=False)
    scores: Mapping[str, float] = field(default_factory=dict)
    paused: int = 0
    published: Sequence[tuple[str, str]] = ()
    error: KeyboardInterrupt | SweepError | None = None
    failed_steps: Mapping[str, str] = field(default_factory=dict)
    report: Path | None = None
    findings: Sequence[str] = ()
    n_trials: int | None = None
    front: Sequence[FrontTrial] = ()
    objectives: Objectives | None = None
    is_shared: bool = False

    @property
    def is_interrupted(self) -> bool:
        """Whether the sweep was interrupted, so that it can be resumed."""
        return isinstance(self.error, KeyboardInterrupt)

    @property
    def is_finished(self) -> bool:
        """Whether as many trials have ended as were asked for."""
        n_trials = self.n_trials
        return not self.error and n_trials is not None and sum(self.counts.values()) >= n_trials

    def raise_error(self) -> None:
        """Raise what makes the sweep's exit code other than 0, if anything does.

        Raises:
            KeyboardInterrupt: If the sweep was interrupted.
            SweepError: If too many trials failed, none is complete, or a step of the end failed.
        """
        if self.error:
            raise self.error
        if self.is_shared and not self.best:
            return
        constraints = self.objectives.constraints if self.objectives else ()
        if not self.best and self.counts.get(State.COMPLETE) and constraints:
            raise SweepError(
                f"no complete trial meets the constraints: {self.objectives}; the values of each "
                "are in its MLflow run"
            )
        if not self.best:
            raise SweepError("no trial is complete; the traceback of each is in its MLflow run")
        if self.failed_steps:
            steps = "; ".join(f"{step}: {error}" for step, error in self.failed_steps.items())
            raise SweepError(f"the study is stored, but the end of the sweep failed: {steps}")
