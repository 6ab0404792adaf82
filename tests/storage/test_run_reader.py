import json
from pathlib import Path

import pytest

from rnnexp.constraints import Constraint
from rnnexp.errors import NotFoundError
from rnnexp.objective import Objective
from rnnexp.objectives import Objectives
from rnnexp.storage.run_reader import RunReader, objectives_of
from tests.helpers.commands import Command, Ended
from tests.helpers.runs import run


@pytest.fixture(scope="module")
def swept(app: Command) -> Ended:
    first = app("-m", "hydra.sweeper.n_trials=2", "hydra.sweeper.study_name=one")
    app("-m", "hydra.sweeper.n_trials=1", "hydra.sweeper.study_name=other", path=first.path)
    return first


@pytest.fixture
def reader(swept: Ended) -> RunReader:
    return RunReader(f"sqlite:///{swept.path}/mlflow.db")


def test_studies_newest_first(reader: RunReader) -> None:
    assert [run.data.tags["study"] for run in reader.studies()] == ["other", "one"]


def test_a_study_by_its_name_and_by_beginnings(reader: RunReader) -> None:
    study = reader.study("one")
    assert reader.study("on").info.run_id == study.info.run_id
    assert reader.study(study.info.run_id[:12]).info.run_id == study.info.run_id


def test_a_run_by_its_id_and_as_a_trial(reader: RunReader) -> None:
    first, second = reader.trials(reader.study("one"))
    assert reader.run("one/1").info.run_id == second.info.run_id
    assert reader.run(first.info.run_id[:10]).info.run_id == first.info.run_id


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("o", "study o can be any of 2"),
        ("onne", "did you mean one?"),
    ],
)
def test_a_study_that_is_not_told(reader: RunReader, name: str, told: str) -> None:
    with pytest.raises(NotFoundError, match=told.replace("?", r"\?")):
        reader.study(name)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("one/7", "study one has no trial 7; there are 0 to 1"),
        ("zzz", "there is no run zzz"),
        ("it's", "there is no run it's"),
    ],
)
def test_a_run_that_is_not_told(reader: RunReader, name: str, told: str) -> None:
    with pytest.raises(NotFoundError, match=told):
        reader.run(name)


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"there is no .*mlflow\.db"):
        RunReader(f"sqlite:///{tmp_path}/mlflow.db")
    assert not list(tmp_path.iterdir())


LOSS, SIZE = Objective("val_loss", "min"), Objective("size", "max")
SEVERAL = Objectives(LOSS, (SIZE,), (Constraint("seconds", "<=", 60.0),), 0.05)


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ({}, None),
        ({"objective": "min val_loss"}, Objectives(LOSS)),
        ({"objective": "min val_loss", "objectives": json.dumps(SEVERAL.to_json())}, SEVERAL),
    ],
)
def test_the_objectives_of_a_study(tags: dict[str, str], found: Objectives | None) -> None:
    assert objectives_of(run(**tags)) == found
