"""Trials and studies of several objectives, made by hand; and a sweep whose trials are given."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from rnnexp.constraints import Constraint
from rnnexp.objective import Objective
from rnnexp.objectives import Objectives
from rnnexp.storage.schema import StudyAttrs, TrialAttrs
from tests.helpers.commands import ROOT, Command, Ended
from tests.helpers.trials import trial

LOSS = Objective("loss", "min")
SMALL = Constraint("size", "<", 10_000)
BOTH = Objectives(LOSS, (Objective("size", "min"),))
OBJECTIVES = "+objective=[{monitor:loss,mode:min},{monitor:size,mode:min}]"
CONSTRAINTS = "+constraints=['size < 10000']"
# Loss and size: the first three are on the front, the second of them wins, the last is too large.
FIVE = ((0.2, 9000), (0.201, 3000), (0.3, 1000), (0.31, 2000), (0.1, 20000))


def measured(
    values: Mapping[str, float],
    objectives: Objectives = BOTH,
    state: TrialState = TrialState.COMPLETE,
    **more: Any,
) -> FrozenTrial:
    """Make a trial.

    Args:
        values: The trial's values by name: of the objectives, and what else was measured.
        objectives: The objectives of the trial's study.
        state: The trial's state.
        more: More arguments of `tests.helpers.trials.trial`.
    """
    first = values.get(objectives.first.monitor)
    made = trial(first, state=state, **more)
    made.values = None
    if state == TrialState.COMPLETE:
        made.values = [values[each.monitor] for each in objectives.all]
    if state.is_finished():
        others = {k: v for k, v in values.items() if k != objectives.first.monitor}
        made.user_attrs[TrialAttrs.RESULT]["measures"] = others
    return made


def study_with(objectives: Objectives, *trials: FrozenTrial) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    directions = [each.direction for each in objectives.all]
    study = optuna.create_study(study_name="s", directions=directions)
    study.set_user_attr(StudyAttrs.OBJECTIVE, str(objectives.first))
    study.set_user_attr(StudyAttrs.OBJECTIVES, objectives.to_json())
    study.add_trials(trials)
    return study


def sweep_of_five(
    command: Command, *overrides: str, name: str = "s", path: Path | None = None
) -> Ended:
    """Run a sweep whose trials have the losses and sizes of `FIVE`, as ``x`` and ``steps``."""
    enqueued = ",".join(f"{{x:{loss},steps:{size}}}" for loss, size in FIVE)
    ended = command(
        "-m", f"hydra.sweeper.study_name={name}", f"hydra.sweeper.n_trials={len(FIVE)}",
        "hydra.sweeper.params=null", "x=interval(0.0,1.0)", "steps=range(1000,30000)",
        f"hydra.sweeper.enqueue=[{enqueued}]", *overrides, path=path, tiny=False,
        script=ROOT / "tests" / "helpers" / "measuring_app.py",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    return ended
