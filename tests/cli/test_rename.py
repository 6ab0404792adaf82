"""A renamed study is the same study, for every command."""

from pathlib import Path

import optuna
import pytest
from click.testing import CliRunner, Result

from rnnexp.cli import main
from rnnexp.storage.optuna_store import open_storage
from rnnexp.storage.schema import StudyAttrs
from rnnexp.storage.study_copy import copy_study
from rnnexp.storage.study_runs import study_runs
from rnnexp.storage.trial_folder import owner_of
from rnnexp.sweep.heartbeat import Heartbeat
from tests.cli.test_delete import register, sweep
from tests.helpers.commands import Command, Ended


def rnnexp(ended: Ended, *arguments: str, storage: bool = True) -> Result:
    stores = [f"--tracking-uri=sqlite:///{ended.path}/mlflow.db"]
    stores += [f"--storage=sqlite:///{ended.path}/optuna.db"] if storage else []
    return CliRunner().invoke(main, [*arguments, *stores])


@pytest.fixture
def swept(app: Command) -> Ended:
    """A study ``s`` of two trials with a registered model ``s``."""
    ended = sweep(app, "s")
    register(ended, "s", "s", is_champion=True)
    return ended


def names(ended: Ended) -> list[str]:
    return optuna.get_all_study_names(f"sqlite:///{ended.path}/optuna.db")


def test_every_command_knows_the_new_name(app: Command, swept: Ended) -> None:
    before = swept.study("s").trials
    result = rnnexp(swept, "rename", "s", "better name")
    assert result.exit_code == 0, result.output
    assert result.output == (
        "study s is now better name\nits registered model is now models:/better name\n"
    )
    assert names(swept) == ["better name"]
    trials = swept.study("better name").trials
    assert [(t.number, t.params, t.value, t.user_attrs, t.datetime_complete) for t in trials] == [
        (t.number, t.params, t.value, t.user_attrs, t.datetime_complete) for t in before
    ]
    parent, *runs = swept.runs("app")
    assert (parent.info.run_name, parent.data.tags["study"]) == ("better name", "better name")
    assert {run.data.tags["study"] for run in runs} == {"better name"}
    experiment = swept.client.get_experiment(parent.info.experiment_id)
    view = experiment.tags[f"mlflow.sharedViewState.{parent.info.run_id}"]
    assert '"name": "better name"' in view
    found = study_runs(swept.client, parent.info.run_id)
    assert [version.name for version in found.versions] == ["better name"]
    assert swept.client.get_registered_model("better name").aliases == {"champion": 1}
    owner = owner_of(swept.path / "multirun" / "s" / "0")
    assert owner and owner.study == "better name"

    assert rnnexp(swept, "check", "better name").output == "0 differences\n"
    assert "better name" in rnnexp(swept, "studies", storage=False).output
    assert rnnexp(swept, "compare", "better name", storage=False).exit_code == 0
    assert rnnexp(swept, "report", "better name").exit_code == 0
    assert "there is no study s" in rnnexp(swept, "check", "s").output
    resumed = app(
        "-m", "hydra.sweeper.resume='better name'", "hydra.sweeper.n_trials=3", path=swept.path
    )
    assert resumed.code == 0, resumed.err
    assert "Study better name: 3 complete" in resumed.out or "pruned" in resumed.out
    assert (swept.path / "multirun" / "s" / "2").is_dir()  # the folder is that of before
    anew = app("-m", "hydra.sweeper.study_name=s", "hydra.sweep.dir=multirun/s", path=swept.path)
    assert anew.code == 1
    assert "is the folder of trial 0 of study better name" in anew.err
    deleted = rnnexp(swept, "delete", "better name", "--yes", "--champion")
    assert deleted.exit_code == 0, deleted.output
    assert not (swept.path / "multirun" / "s").exists()


def just_made(swept: Ended, old: str, new: str) -> None:  # noqa: ARG001
    optuna.create_study(study_name=new, storage=f"sqlite:///{swept.path}/optuna.db")


def copied(swept: Ended, old: str, new: str) -> None:
    copy_study(open_storage(f"sqlite:///{swept.path}/optuna.db"), old, new)


def runs_renamed(swept: Ended, old: str, new: str) -> None:
    copied(swept, old, new)
    parent, *_ = swept.runs("app")
    swept.client.set_tag(parent.info.run_id, "study", new)
    swept.client.rename_registered_model(old, new)


def all_but_the_mark(swept: Ended, old: str, new: str) -> None:
    assert rnnexp(swept, "rename", old, new).exit_code == 0
    study = swept.study(new)
    mark = {"name": old, "run": study.user_attrs[StudyAttrs.RUN_ID]}
    study.set_user_attr(StudyAttrs.COPY_OF, mark)


def test_the_same_command_finishes_what_was_interrupted(swept: Ended) -> None:
    before, old = [trial.params for trial in swept.study("s").trials], "s"
    for died in (just_made, copied, runs_renamed, all_but_the_mark):
        new = died.__name__
        died(swept, old, new)
        result = rnnexp(swept, "rename", old, new)
        assert result.exit_code == 0, result.output
        assert names(swept) == [new]
        study = swept.study(new)
        assert [trial.params for trial in study.trials] == before
        assert study.user_attrs[StudyAttrs.COPY_OF] is None
        assert {run.data.tags["study"] for run in swept.runs("app")} == {new}
        assert [model.name for model in swept.client.search_registered_models()] == [new]
        assert rnnexp(swept, "check", new).output == "0 differences\n"
        old = new


def test_a_study_in_two_halves_is_not_resumed(app: Command, swept: Ended) -> None:
    copied(swept, "s", "t")
    ended = app("-m", "hydra.sweeper.resume=t", "hydra.sweeper.n_trials=3", path=swept.path)
    assert ended.code == 1
    assert "to finish it: rnnexp rename s t" in ended.err


REFUSED = {
    "t": "there is a study t in sqlite:///",
    "s": "there is a study s in sqlite:///",
    " ": "' ' can't be the name of a study",
    "s.draft": "'s.draft' can't be the name of a study",
    "a/b": "the registered model s can't be renamed: a/b: names of registered models have no /",
    "taken": "there is a registered model taken already",
}


def test_names_that_are_refused(swept: Ended) -> None:
    other = optuna.create_study(study_name="t", storage=f"sqlite:///{swept.path}/optuna.db")
    other.set_user_attr(StudyAttrs.RUN_ID, "another")
    swept.client.create_registered_model("taken")
    for new, problem in REFUSED.items():
        result = rnnexp(swept, "rename", "s", new)
        assert result.exit_code == 1
        assert result.output.startswith("Error: ") and result.output.count("\n") == 1
        assert problem in result.output
    assert sorted(names(swept)) == ["s", "t"]
    assert {run.data.tags["study"] for run in swept.runs("app")} == {"s"}


def test_a_running_study_and_a_model_of_several_studies_are_refused(
    app: Command, swept: Ended
) -> None:
    with Heartbeat(swept.study("s")):
        running = rnnexp(swept, "rename", "s", "t")
    assert running.output == "Error: a sweep of study s is running; rename the study at its end\n"
    sweep(app, "u", swept.path)
    register(swept, "u", "s", is_champion=False)
    shared = rnnexp(swept, "rename", "s", "t")
    assert shared.exit_code == 1
    assert "the registered model s has versions of other studies as well" in shared.output
    assert sorted(names(swept)) == ["s", "u"]


def test_a_study_without_a_run(tmp_path: Path) -> None:
    """Its sweep died early: no store of MLflow is made."""
    ended = Ended(tmp_path, 0, "", "")
    study = optuna.create_study(study_name="s", storage=f"sqlite:///{tmp_path}/optuna.db")
    study.set_user_attr(StudyAttrs.MODEL_NAME, "s")
    assert rnnexp(ended, "rename", "s", "t").exit_code == 0
    assert names(ended) == ["t"]
    assert ended.study("t").user_attrs[StudyAttrs.MODEL_NAME] == "t"
    deleted = rnnexp(ended, "delete", "t", "--yes")
    assert deleted.exit_code == 0, deleted.output
    assert names(ended) == []
    assert ended.files() == {"optuna.db"}
