import re
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from rnnexp.identity import Identity
from rnnexp.storage.registry import Registry, compare, name_problem

OLD = {"identity": str(Identity("min val_loss", loss="a", rows="d"))} | {
    "data": "d",
    "objective": "min val_loss",
    "best_value": "0.3",
}
OTHER_LOSS = str(Identity("min val_loss", loss="b", rows="d"))
OTHER_ROWS = str(Identity("min val_loss", loss="a", rows="e"))
OTHER_OBJECTIVE = str(Identity("min val_mae", loss="a", rows="d"))


@pytest.mark.parametrize(
    ("new", "champion", "wins", "why"),
    [
        ({}, None, True, "there was no champion"),
        ({"best_value": "0.2"}, OLD, True, "0.2 is better than the champion's 0.3"),
        ({"best_value": "0.3"}, OLD, False, "0.3 isn't better than the champion's 0.3"),
        ({"best_value": "0.4"}, OLD, False, "0.4 isn't better"),
        ({"best_value": "0.2", "data": "e"}, OLD, True, "0.2 is better"),  # of another encoding
        (
            {"best_value": "0.2", "identity": OTHER_LOSS},
            OLD,
            False,
            "the two can't be compared: the champion's loss is a, this one's is b",
        ),
        (
            {"best_value": "0.2", "identity": OTHER_ROWS},
            OLD,
            False,
            "the champion's set of rows is d, this one's is e",
        ),
        (
            {"best_value": "0.2", "identity": OTHER_OBJECTIVE},
            OLD,
            False,
            "the champion's objective is min val_loss, this one's is min val_mae",
        ),
        ({"best_value": "0.2"}, {}, False, "the champion has no tags identity and best_value"),
        ({"best_value": "nan"}, OLD, False, "isn't better"),
    ],
)
def test_the_rule(
    new: dict[str, str], champion: dict[str, str] | None, wins: bool, why: str
) -> None:
    decision = compare(OLD | new, champion)
    assert decision.wins == wins
    assert re.search(why, decision.why)


@pytest.mark.parametrize(("value", "wins"), [("0.9", True), ("0.8", False), ("0.7", False)])
def test_more_is_better_where_the_mode_is_max(value: str, wins: bool) -> None:
    old = OLD | {"objective": "max val_accuracy", "best_value": "0.8"}
    assert compare(old | {"best_value": value}, old).wins == wins


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    return MlflowClient(f"sqlite:///{tmp_path_factory.mktemp('registry')}/mlflow.db")


@pytest.mark.parametrize("name", ["a b", "한국어", 'it\'s "a" b', "a.b", "a@b", "a%20b", ".a"])
def test_a_name_that_will_do(
    client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert name_problem(name) is None
    run = client.create_run("0").info.run_id
    model = client.create_logged_model("0", source_run_id=run)
    (tmp_path / "MLmodel").write_text("flavors: {}")
    client.log_model_artifacts(model.model_id, str(tmp_path))
    entry = Registry(client, name)
    version = str(entry.add(model.model_id, run, OLD).version)
    entry.make_champion(version)
    found, champion = entry.version_of(model.model_id, run), entry.champion()
    assert found and champion
    assert str(found.version) == str(champion.version) == version
    from mlflow.artifacts import download_artifacts

    monkeypatch.setenv("MLFLOW_TRACKING_URI", client.tracking_uri)
    assert Path(download_artifacts(f"models:/{name}@champion"), "MLmodel").exists()


@pytest.mark.parametrize("name", ["a/b", "a:b", "a?b", "..", ".", "..a", " ", "", "a\tb"])
def test_a_name_that_will_not_do(client: MlflowClient, name: str) -> None:
    assert name_problem(name)
    if "?" not in name and "\t" not in name:  # these are registered, but not found any more
        with pytest.raises(MlflowException):
            client.create_registered_model(name)
