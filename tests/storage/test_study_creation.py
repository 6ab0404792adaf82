"""A study is made once, also where the answer of the storage is lost."""

from pathlib import Path

import optuna
import pytest
from optuna.exceptions import DuplicatedStudyError, StorageInternalError
from optuna.storages import RDBStorage

from rnnexp.storage.schema import StudyAttrs
from rnnexp.storage.study_creation import create_study


class Losing(RDBStorage):
    """A storage whose connection breaks once, before or after the study is stored."""

    lost = ""
    schema: int | None = None  # what another sweep stores in the meantime

    def create_new_study(self, directions, study_name=None):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
        lost, self.lost = self.lost, ""
        if lost == "before":
            raise StorageInternalError("server closed the connection unexpectedly")
        study_id = super().create_new_study(directions, study_name)
        if lost == "after":
            if self.schema:
                self.set_study_user_attr(study_id, StudyAttrs.SCHEMA, self.schema)
            raise StorageInternalError("server closed the connection unexpectedly")
        return study_id


@pytest.fixture
def storage(tmp_path: Path) -> Losing:
    return Losing(f"sqlite:///{tmp_path}/optuna.db")


@pytest.mark.parametrize("lost", ["", "before", "after"])
def test_one_study_is_made(storage: Losing, lost: str) -> None:
    storage.lost = lost
    sampler = optuna.samplers.RandomSampler()
    study = create_study("s", storage, directions=["maximize"], sampler=sampler)
    assert (study.study_name, study.direction.name) == ("s", "MAXIMIZE")
    assert study.sampler is sampler
    assert [study.study_name for study in storage.get_all_studies()] == ["s"]


def test_the_study_of_another_sweep_is_not_taken(storage: Losing) -> None:
    storage.lost, storage.schema = "after", 1
    for _ in range(2):  # also at the first attempt
        with pytest.raises(DuplicatedStudyError):
            create_study("s", storage, directions=["minimize"])
