from copy import deepcopy
from dataclasses import FrozenInstanceError
from pathlib import Path

import optuna
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from rnnexp.sweep.settings import SweepSettings, named
from tests.helpers.commands import ROOT

FOLDER = "hydra.sweep.dir=/somewhere/s"


def composed(*overrides: str) -> DictConfig:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(ROOT / "docs" / "examples"), "app", version_base="1.3"):
        return compose("app", ["hydra.mode=MULTIRUN", *overrides], return_hydra_config=True)


def settings(*overrides: str) -> SweepSettings:
    return SweepSettings.of(named(composed("hydra.sweeper.study_name=s", FOLDER, *overrides)))


def test_they_are_typed_absolute_and_leave_the_config_as_it_is() -> None:
    config = composed(
        "hydra.sweeper.study_name=null", FOLDER, "hydra.sweeper.storage=sqlite:///o.db"
    )
    before = deepcopy(config)
    found = SweepSettings.of(named(config))
    assert config == before
    assert found.study_name.startswith("app-20")
    assert found.registered_model_name == found.study_name
    assert found.storage == f"sqlite:///{Path.cwd()}/o.db"
    assert found.sweep_dir == Path("/somewhere/s")
    assert found.checkpoints == ()
    with pytest.raises(FrozenInstanceError):
        found.n_trials = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("enqueue", "items"),
    [("null", ()), ("{x:1}", ({"x": 1},)), ("[{x:1},other]", ({"x": 1}, "other")), ("a", ("a",))],
)
def test_one_enqueued_item_needs_no_list(enqueue: str, items: tuple[object, ...]) -> None:
    assert settings(f"hydra.sweeper.enqueue={enqueue}").enqueue == items


def test_passwords_are_not_in_the_representation() -> None:
    found = settings(
        "hydra.sweeper.storage='postgresql://me:s3cret@host/db'",
        "hydra.sweeper.tracking.uri='http://me:s3cret@host'",
    )
    assert found.storage == "postgresql://me:***@host/db"
    assert found.given_storage == "postgresql://me:***@host/db"
    assert found.tracker().uri == "http://me:***@host"
    assert "s3cret" not in repr(found)


def test_the_newest_study_is_resumed(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/o.db"
    for name in ("first", "last"):
        optuna.create_study(study_name=name, storage=storage).ask()
    overrides = [f"hydra.sweeper.storage={storage}", "hydra.sweeper.resume=latest"]
    found = settings(*overrides)
    assert (found.study_name, found.registered_model_name) == ("last", "last")
    empty = settings(f"hydra.sweeper.storage=sqlite:///{tmp_path}/no.db", *overrides[1:])
    assert empty.study_name == "latest"
    assert not (tmp_path / "no.db").exists()
