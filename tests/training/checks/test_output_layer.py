import pytest
from omegaconf import OmegaConf

from rnnexp.training.checks.output_layer import output_problems
from tests.training.test_output_layer import dataset


@pytest.mark.parametrize(
    ("loss", "task", "problem"),
    [
        (
            "binary_crossentropy",
            "classes",
            "compile.loss=binary_crossentropy is for two classes, but data.label has 3 (1, 2, 3); "
            "use compile=categorical or compile=sparse_categorical",
        ),
        ("hinge", "classes", "is for two classes"),
        ("binary_crossentropy", "regression", "data.task=regression; use compile=regression"),
        ("categorical_crossentropy", "regression", "is for classes"),
    ],
)
def test_losses_that_do_not_fit(loss: str, task: str, problem: str) -> None:
    config = OmegaConf.create({"compile": {"loss": loss}})
    (found,) = output_problems(config, dataset(task))
    assert problem in found


NEEDS_ONE_HOT = "takes one-hot labels, but compile.loss={} takes class numbers; use compile=categor"
SPARSE = "sparse_categorical_crossentropy"


@pytest.mark.parametrize(
    ("loss", "task", "metric", "problem"),
    [
        (SPARSE, "classes", {"_target_": "keras.metrics.F1Score", "average": "macro"},
         f"compile.metrics=keras.metrics.F1Score {NEEDS_ONE_HOT.format(SPARSE)}"),
        (SPARSE, "classes", "AUC", NEEDS_ONE_HOT.format(SPARSE)),
        (SPARSE, "binary", "Precision", NEEDS_ONE_HOT.format(SPARSE)),
        (SPARSE, "classes", "auc", None),
        (SPARSE, "binary", "precision", None),
        (SPARSE, "classes", "categorical_accuracy", NEEDS_ONE_HOT.format(SPARSE)),
        (SPARSE, "classes", "mse", NEEDS_ONE_HOT.format(SPARSE)),
        (SPARSE, "classes", "acc", None),
        (SPARSE, "classes", "my.own_metric", None),
        ("categorical_crossentropy", "classes", "sparse_categorical_accuracy",
         "takes class numbers, but compile.loss=categorical_crossentropy takes one-hot labels"),
        ("categorical_crossentropy", "classes", "precision", None),
        ("binary_crossentropy", "binary", "categorical_accuracy",
         "compares one output a class, but with compile.loss=binary_crossentropy the model has one "
         "output; use accuracy, or compile=categorical"),
        ("binary_crossentropy", "binary", {"_target_": "keras.metrics.F1Score"},
         "without a threshold counts every row as positive, since the model has one output; give "
         "threshold: 0.5"),
        ("binary_crossentropy", "binary", {"_target_": "keras.metrics.F1Score", "threshold": 0.5},
         None),
        ("mse", "regression", "top_k_categorical_accuracy", "compares one output a class"),
        ("hinge", "binary", {"_target_": "keras.metrics.AUC"},
         "is for probabilities, but with compile.loss=hinge the output is a score from below 0; "
         "give from_logits: true"),
        ("hinge", "binary", {"_target_": "keras.metrics.AUC", "from_logits": True}, None),
        ("hinge", "binary", "Precision", "give thresholds: 0.0"),
        ("hinge", "binary", "precision", None),
        ("hinge", "binary", {"_target_": "keras.metrics.Recall", "thresholds": 0.0}, None),
        ("hinge", "binary", {"_target_": "keras.metrics.F1Score", "threshold": 0.5},
         "use Precision and Recall"),
        ("hinge", "binary", "accuracy", None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["metrics", "weighted_metrics"])
def test_metrics_that_do_not_fit(
    loss: str, task: str, metric: object, problem: str | None, key: str
) -> None:
    config = OmegaConf.create({"compile": {"loss": loss, key: [metric]}})
    found = output_problems(config, dataset(task))
    if problem is None:
        assert found == []
    else:
        assert len(found) == 1
        assert problem.replace("compile.metrics", f"compile.{key}") in found[0]
