import pytest

from rnnexp.task import run_name


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({}, None),
        ({"compile.optimizer.learning_rate": 0.00312345, "model.units": 64}, "lr=0.00312 units=64"),
        ({"fit.batch_size": 32, "model": "lstm"}, "batch=32 model=lstm"),
        ({"model.embedding_size": 16, "fit.shuffle": True}, "embedding=16 shuffle=True"),
    ],
)
def test_run_name(params: dict[str, object], name: str | None) -> None:
    assert run_name(params) == name
