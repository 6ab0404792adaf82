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
