import pytest

from tests.helpers.commands import Command


@pytest.mark.slow
@pytest.mark.parametrize(("launcher", "is_on"), [("workers", True), ("in_process", False)])
def test_they_are_there_if_they_are_switched_on(app: Command, launcher: str, is_on: bool) -> None:
    ended = app(
        "-m", f"hydra.sweeper.tracking.system_metrics={is_on}", "hydra.sweeper.n_trials=1",
        f"hydra/launcher={launcher}", "hydra.sweeper.n_jobs=1",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    parent, trial = ended.runs("app")
    found = {name for name in trial.data.metrics if name.startswith("system/")}
    expected = {"system/cpu_utilization_percentage", "system/system_memory_usage_percentage"}
    assert found >= expected if is_on else not found
    assert not any(name.startswith("system/") for name in parent.data.metrics)
