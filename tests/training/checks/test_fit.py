from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from rnnexp.training.checks.fit import class_weight_problems, fit_problems
from tests.helpers.commands import ROOT


@pytest.mark.parametrize(
    "given", [None, "balanced", {"good": 2}, {"bad": 0.5, "good": 1}, [2.0, 1], [0, 1]]
)
def test_class_weights(given: Any) -> None:
    assert class_weight_problems(given, ("bad", "good")) == []


@pytest.mark.parametrize(
    ("given", "classes", "problem"),
    [
        (
            {2: 1.0},
            (0, 1),
            "there is no class 2; there are 0, 1; or give a list of weights in the order of the "
            "classes, such as [1.0,1.0] for 0, 1",
        ),
        ({True: 1.0}, (0, 1), "there is no class True"),
        (
            [1.0],
            ("bad", "good"),
            "has 1 weights for 2 classes; give a list of weights in the order",
        ),
        ([1.0, "x"], ("bad", "good"), "each weight must be a number, at least 0"),
        ({0: -1.0}, (0, 1), "the weight of 0 must be a number, at least 0"),
        ({0: "much"}, (0, 1), "the weight of 0 must be a number"),
        (
            "even",
            (0, 1),
            "must be weights by label, such as {0: 2.0}, a list of weights in the order of the "
            "classes, such as [1.0,1.0] for 0, 1, or balanced",
        ),
        ("balanced", (), "data.task=regression has no classes; use fit.sample_weight"),
    ],
)
def test_class_weights_that_can_not_work(
    given: Any, classes: tuple[int, ...], problem: str
) -> None:
    (found,) = class_weight_problems(given, classes)
    assert problem in found


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        (
            "fit.initial_epoch=100",
            "fit.initial_epoch=100: must be a whole number from 0, below 100 (fit.epochs)",
        ),
        ("fit.initial_epoch=-1", "fit.initial_epoch=-1: must be"),
        ("fit.initial_epoch=99", None),
        ("fit.validation_freq=101", "no epoch before fit.epochs=100 would be validated"),
        ("fit.validation_freq=100", None),
        (
            "fit.validation_freq=0",
            "fit.validation_freq=0: must be a whole number, at least 1, or a list",
        ),
        ("fit.validation_freq=[5,10]", None),
        ("fit.validation_freq=[101]", "fit.validation_freq=[101]: no epoch to come is in the list"),
        (
            "fit.validation_split=1.0",
            "fit.validation_split=1.0: must be a number between 0 and 1, both excluded, such as "
            "0.2",
        ),
        ("fit.verbose=3", "fit.verbose=3: must be one of 0, 1, 2, auto"),
        ("fit.shuffle=batch", None),
        ("fit.shuffle=false", None),
        ("fit.shuffle=rows", "fit.shuffle=rows: must be one of true, false, batch"),
        ("fit.batch_size=null", "fit.batch_size=None: must be a whole number, at least 1"),
        ("fit.validation_batch_size=0", "fit.validation_batch_size=0: must be a whole number"),
        ("fit.validation_batch_size=10", None),
        ("fit.validation_batch_size=null", None),
        ("evaluate.batch_size=0", "evaluate.batch_size=0: must be a whole number, at least 1"),
        ("+fit.steps=1", "fit.steps: model.fit has no such argument"),
    ],
)
def test_fit_config(override: str, problem: str | None) -> None:
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("config", overrides=[override])
    found = fit_problems(config)
    assert found == [] if problem is None else problem in found[0]
