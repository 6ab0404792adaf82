"""The configs that an application's own check is given, before trial 0."""

from collections.abc import Sequence

import pytest
from omegaconf import DictConfig

from tests.helpers.commands import Command

checked: list[dict[str, float]] = []


def take_note(configs: Sequence[DictConfig]) -> list[str]:
    checked.extend({key: config[key] for key in ("x", "rate", "steps")} for config in configs)
    return []


@pytest.mark.parametrize(
    ("searched", "seen"),
    [
        # A config with the first value of each key, and a config for every other value.
        (
            ["x=interval(0,6)", "rate=choice(0.1,0.2,0.3)"],
            [(0, 0.1, 4), (6, 0.1, 4), (0, 0.2, 4), (0, 0.3, 4)],
        ),
        (["x=choice(1)", "rate=0.5"], [(1, 0.5, 4)]),
    ],
)
def test_every_choice_and_both_ends_of_every_range_come_up_once(
    app: Command, searched: list[str], seen: list[tuple[float, ...]]
) -> None:
    checked.clear()
    check = "hydra.sweeper.check=tests.sweep.test_preflight.take_note"
    ended = app("-m", "hydra.sweeper.n_trials=1", "steps=4", check, *searched)
    assert ended.code == 0, ended.err
    assert [tuple(config.values()) for config in checked] == seen


def no_arguments() -> list[str]:
    return []


def breaks(configs: Sequence[DictConfig]) -> list[str]:
    raise KeyError("x" if configs else "")


@pytest.mark.parametrize(
    ("function", "path", "problem"),
    [
        ("check", "no_arguments", "too many positional arguments; give the import path of a "
         "function of (configs), or null"),
        ("evaluate", "no_arguments", "give the import path of a function of (config, run_id)"),
        ("publish", "take_note", "function of (config, run_id, study_run, name), or null"),
        ("evaluate", "evaluatte", "evaluatte"),
        ("check", "breaks", "hydra.sweeper.check: the check itself failed: KeyError: 'x'"),
    ],
)  # fmt: skip
def test_functions_that_can_not_be_called_are_refused(
    app: Command, function: str, path: str, problem: str
) -> None:
    ended = app("-m", "x=choice(1)", f"hydra.sweeper.{function}=tests.sweep.test_preflight.{path}")
    assert ended.code == 1
    assert problem in ended.err
    assert "Traceback" not in ended.err
    assert ended.files() == set()


@pytest.mark.parametrize("launcher", ["in_process", "basic"])
@pytest.mark.parametrize(
    ("timeout", "problem"),
    [
        ("5", "trial_timeout=5.0: this launcher can't end a trial that hangs"),
        ("0", "hydra.sweeper.trial_timeout=0.0: must be"),
    ],
)
def test_a_launcher_that_can_not_end_a_trial_that_hangs_says_so(
    app: Command, launcher: str, timeout: str, problem: str
) -> None:
    ended = app("-m", f"hydra/launcher={launcher}", f"hydra.sweeper.trial_timeout={timeout}")
    assert ended.code == 1
    assert problem in ended.err
    assert ended.files() == set()
