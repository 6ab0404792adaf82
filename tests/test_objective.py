import math

import pytest
from omegaconf import OmegaConf

from rnnexp.objective import Objective, known_mode, objective_in, objective_problems, settle_mode

NAN = math.nan


@pytest.mark.parametrize(
    ("mode", "values", "best"),
    [
        ("min", {0: 0.5, 1: 0.3, 2: 0.4}, (1, 0.3)),
        ("max", {0: 0.5, 1: 0.3, 2: 0.4}, (0, 0.5)),
        ("min", {0: 0.5, 1: 0.5}, (0, 0.5)),  # the first of equals
        ("min", {0: NAN, 1: 0.5, 2: NAN}, (1, 0.5)),
        ("max", {0: NAN}, None),
        ("min", {}, None),
        ("min", {1: 0.5, 3: 0.4, 5: 0.6}, (3, 0.4)),  # validation_freq=2
        ("min", {0: -math.inf, 1: 0.0}, (1, 0.0)),
        ("max", {0: math.inf}, None),
    ],
)
def test_best(mode: str, values: dict[int, float], best: tuple[int, float] | None) -> None:
    assert Objective("val_loss", mode).best(values) == best  # type: ignore[arg-type]


METRICS = [
    "accuracy",
    {"_target_": "keras.metrics.AUC"},
    {"_target_": "keras.metrics.AUC", "curve": "PR"},
    {"_target_": "keras.metrics.AUC", "name": "area"},
    {"_target_": "keras.metrics.MeanSquaredError", "name": "score"},
    {"_target_": "own.Quality", "name": "quality"},
]


@pytest.mark.parametrize(
    ("monitor", "mode"),
    [
        ("val_loss", "min"),
        ("loss", "min"),
        ("val_accuracy", "max"),
        ("accuracy", "max"),
        ("val_acc", "max"),
        ("val_auc", "max"),
        ("val_auc_1", "max"),
        ("val_AUC", "max"),
        ("val_area", "max"),  # known by its class
        ("val_score", "min"),
        ("val_f1_score", "max"),
        ("val_mean_io_u", "max"),
        ("val_r2_score", "max"),
        ("val_cosine_similarity", "max"),
        ("val_mae", "min"),
        ("val_root_mean_squared_error", "min"),
        ("val_kl_divergence", "min"),
        ("val_weighted_accuracy", "max"),
        ("val_stars_accuracy", "max"),  # of one of several outputs
        ("val_stars_loss", "min"),
        ("val_quality", None),
        ("val_true_positives", None),  # which Keras doesn't know, either
        ("learning_rate", None),
    ],
)
def test_the_direction_of_a_metric(monitor: str, mode: str | None) -> None:
    assert known_mode(OmegaConf.create({"compile": {"metrics": METRICS}}), monitor) == mode


def test_the_directions_are_those_of_keras() -> None:
    import keras

    arguments = {
        "MeanIoU": (2,), "OneHotMeanIoU": (2,), "IoU": (2, [0]), "OneHotIoU": (2, [0]),
        "BinaryIoU": ([0],), "PrecisionAtRecall": (0.5,), "RecallAtPrecision": (0.5,),
        "SensitivityAtSpecificity": (0.5,), "SpecificityAtSensitivity": (0.5,),
    }  # fmt: skip
    for name, kind in vars(keras.metrics).items():
        if not isinstance(kind, type) or not issubclass(kind, keras.metrics.Metric):
            continue
        if kind in (keras.metrics.Metric, keras.metrics.MeanMetricWrapper):  # of no metric yet
            continue
        metric = kind(*arguments.get(name, ()))
        expected = {"up": "max", "down": "min"}.get(getattr(metric, "_direction", ""))
        for known_by in (name, metric.name):
            assert known_mode(OmegaConf.create(), known_by) == expected, known_by


@pytest.mark.parametrize(
    ("objective", "direction", "expected", "problem"),
    [
        ({"monitor": "val_loss", "mode": "auto"}, None, "min val_loss", ""),
        ({"monitor": "val_accuracy", "mode": "auto"}, None, "max val_accuracy", ""),
        ({"monitor": "val_accuracy", "mode": "auto"}, "maximize", "max val_accuracy", ""),
        ({"monitor": "val_accuracy", "mode": "max"}, None, "max val_accuracy", ""),
        ({"monitor": "val_quality", "mode": "max"}, None, "max val_quality", ""),
        ({"monitor": "val_quality", "mode": "min"}, "minimize", "min val_quality", ""),
        ({"monitor": "quality"}, "maximize", "max quality", ""),  # of another application
        ({"monitor": "quality"}, None, "min quality", ""),
        ({"monitor": "accuracy"}, None, "max accuracy", ""),
        ({"name": "of another kind"}, "maximize", "max value", ""),
        ("squares", None, "min value", ""),
        (None, "maximize", "max value", ""),
        (None, None, "min value", ""),
        (
            {"monitor": "val_quality", "mode": "auto"}, None, None,
            "objective.monitor=val_quality: whether less or more is better is unknown; give "
            "objective.mode=min or max",
        ),
        (
            {"monitor": "val_accuracy", "mode": "min"}, None, None,
            "objective.mode=min, but more val_accuracy is better; give objective.mode=max",
        ),
        (
            {"monitor": "val_loss", "mode": "max"}, "maximize", None,
            "objective.mode=max, but less val_loss is better; give objective.mode=min",
        ),
        (
            {"monitor": "val_loss", "mode": "auto"}, "maximize", None,
            "hydra.sweeper.direction=maximize, but less val_loss is better by objective.mode=auto; "
            "leave hydra.sweeper.direction out, it follows from the objective",
        ),
        (
            {"monitor": "val_quality", "mode": "max"}, "minimize", None,
            "hydra.sweeper.direction=minimize, but more val_quality is better",
        ),
        ({"monitor": "val_loss", "mode": "up"}, None, None, "objective.mode=up: must be one of"),
        (None, "up", None, "hydra.sweeper.direction=up: must be minimize or maximize"),
        (None, ["minimize", "up"], None, "hydra.sweeper.direction=up: must be"),
        (None, ["maximize", "minimize"], "max value", ""),
    ],
)  # fmt: skip
def test_the_objective_of_a_config(
    objective: object, direction: object, expected: str | None, problem: str
) -> None:
    config = OmegaConf.create({"objective": objective} if objective else {})
    problems = objective_problems(config, direction)
    if expected is None:
        assert [problem in text for text in problems] == [True]
        return
    assert problems == []
    assert str(objective_in(config, direction)) == expected  # type: ignore[arg-type]


def test_keys_that_refer_to_the_mode_follow() -> None:
    config = OmegaConf.create(
        {"objective": {"monitor": "val_auc", "mode": "auto"}, "mode": "${objective.mode}"}
    )
    settle_mode(config)
    assert config.mode == "max"
