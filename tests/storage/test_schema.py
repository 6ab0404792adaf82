import optuna
import pytest

from rnnexp.errors import SchemaError
from rnnexp.storage import schema
from rnnexp.storage.optuna_store import study_problem
from rnnexp.storage.run_reader import RunReader
from tests.helpers.commands import Command

OTHER = schema.VERSION + 1


@pytest.mark.parametrize(
    ("found", "is_readable"),
    [
        (schema.VERSION, True),
        (str(schema.VERSION), True),
        (None, True),  # not this project's
        (OTHER, False),
        (str(OTHER), False),
    ],
)
def test_which_versions_can_be_read(found: object, is_readable: bool) -> None:
    assert (schema.version_problem(found) is None) is is_readable


def test_a_study_of_another_version_is_refused_in_one_line(
    app: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(schema, "VERSION", OTHER)
        patch.setattr("rnnexp.sweep.run_sweep.VERSION", OTHER)
        old = app("-m", "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=1")
        assert old.code == 0, old.err
    before = old.study("s").trials
    resumed = app("-m", "hydra.sweeper.resume=s", "hydra.sweeper.n_trials=2", path=old.path)
    assert resumed.code == 1
    assert (
        f"1. hydra.sweeper.resume: study s has schema version {OTHER}, but this rnnexp reads "
        f"version {schema.VERSION}: use the rnnexp that wrote it, or start a new study"
    ) in resumed.err
    assert old.study("s").trials == before
    reader = RunReader(f"sqlite:///{old.path}/mlflow.db")
    for name, ask in (("s", reader.study), ("s/0", reader.run), ("s", reader.study_or_run)):
        with pytest.raises(SchemaError, match=f"schema version {OTHER}") as refused:
            ask(name)
        assert len(str(refused.value).splitlines()) == 1
    assert [run.data.tags["study"] for run in reader.studies()] == ["s"]
    assert study_problem(optuna.create_study()) is None
