"""A sampler of OptunaHub, from a registry of our own: nothing is fetched."""

import sys
from pathlib import Path

import optuna
import pytest

from rnnexp.errors import RnnexpError
from rnnexp.search.hub_sampler import hub_sampler
from tests.helpers.commands import Command

MODULE = """
from optuna.samplers import RandomSampler

class Lowest(RandomSampler):
    "Draws the lowest value of each range."

    def __init__(self, offset=0.0):
        super().__init__()
        self.offset = offset

    def sample_independent(self, study, trial, name, distribution):
        if hasattr(distribution, "low"):
            return distribution.low + self.offset
        return distribution.choices[0]
"""


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    folder = tmp_path / "package" / "samplers" / "lowest"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(MODULE)
    return tmp_path / "package"


@pytest.fixture(autouse=True)
def _hub() -> None:
    pytest.importorskip("optunahub", reason="the extra optunahub is not installed")


def test_a_package_of_a_copy_of_the_registry(registry: Path) -> None:
    sampler = hub_sampler("samplers/lowest", "Lowest", registry=str(registry), offset=0.5)
    trial = optuna.create_study(sampler=sampler).ask()
    assert trial.suggest_float("a", 1.0, 2.0) == 1.5


@pytest.mark.parametrize(
    ("package", "name", "problem"),
    [
        ("samplers/lowest", "Best", "samplers/lowest has no class Best; it has"),
        ("samplers/none", "None", "samplers/none can't be had from /"),
    ],
)
def test_a_package_or_a_class_that_is_not_there(
    registry: Path, package: str, name: str, problem: str
) -> None:
    with pytest.raises(RnnexpError, match=problem):
        hub_sampler(package, name, registry=str(registry))


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optunahub", None)
    with pytest.raises(RnnexpError, match="pip install 'rnnexp\\[optunahub\\]'"):
        hub_sampler("samplers/lowest", "Lowest")


@pytest.mark.slow
def test_a_sweep(command: Command, registry: Path) -> None:
    ended = command(
        "-m", "sampler=hub", "sampler.package=samplers/lowest", "sampler.name=Lowest",
        f"sampler.registry={registry}", "+sampler.offset=0.001", "hydra.sweeper.n_trials=1",
        "fit.epochs=1",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    (trial,) = ended.study().trials
    assert trial.params["compile.optimizer.learning_rate"] == pytest.approx(0.0011)
