"""A study in a notebook, read back from a real sweep over a table with columns of its own."""

import re
from pathlib import Path

import pandas as pd
import pytest

import rnnexp
from rnnexp.errors import NotFoundError
from tests.helpers.commands import EAGER, Command, Ended
from tests.helpers.docs import DOCS
from tests.helpers.measuring_app import CONSTRAINTS, FIVE, OBJECTIVES, sweep_of_five

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def swept(command: Command, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("folder")
    rows = "".join(f"{'good' if n % 2 else 'bad'} film {n},{n % 2}\n" for n in range(40))
    for name in ("train", "test"):
        (folder / f"{name}.csv").write_text(f"document,opinion\n{rows}")
    return command(
        "-m", "data=table", "data.train=train.csv", "data.test=test.csv", "data.text=document",
        "data.label=opinion", "data.maxlen=8", "model.embedding_size=4", "fit.epochs=2",
        "hydra.sweeper.params=null", "model.units=choice(3,4,5)", "hydra.sweeper.n_trials=3",
        "hydra.sweeper.keep=1", "hydra.sweeper.study_name=opinions", EAGER, tiny=False, path=folder,
    )  # fmt: skip


@pytest.fixture
def uri(swept: Ended) -> str:
    assert swept.code == 0, swept.err
    return f"sqlite:///{swept.path}/mlflow.db"


def test_the_trials_are_a_table(uri: str, swept: Ended) -> None:
    study = rnnexp.load_study("opinions", uri)
    assert (study.name, str(study.objective)) == ("opinions", "min val_loss")
    assert study.trials.index.tolist() == [0, 1, 2]
    values = [trial.value for trial in swept.study().trials]
    assert study.trials["best_value"].tolist() == pytest.approx(values)
    assert sorted(study.trials["units"]) == [3, 4, 5]
    assert set(study.trials["state"]) == {"COMPLETE"}
    assert study.best["best_value"] == min(values)
    assert study.best["run"] == swept.runs()[1 + study.best.name].info.run_id


def test_the_model_takes_raw_texts(uri: str) -> None:
    model = rnnexp.load_study(tracking_uri=uri).model()
    texts = ["a good film", "a bad film", ""]
    predicted = model.predict(texts)
    assert predicted.columns.tolist() == ["label", "probability_0", "probability_1"]
    assert len(predicted) == 3
    pd.testing.assert_frame_equal(predicted, model.predict(pd.DataFrame({"document": texts})))


def test_the_cell_of_the_how_to(
    swept: Ended, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert swept.code == 0, swept.err
    (cell,) = re.findall(r"```python\n(.*?)```", (DOCS / "howto/colab.md").read_text(), re.DOTALL)
    monkeypatch.chdir(swept.path)
    exec(cell, {})  # noqa: S102
    assert "COMPLETE" in capsys.readouterr().out


def test_the_published_model_has_the_users_column(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    model = mlflow.pyfunc.load_model("models:/opinions@champion")
    (column,) = model.metadata.get_input_schema().inputs
    assert column.name == "document"
    assert len(model.predict(pd.DataFrame({"document": ["a good film"]}))) == 1


def test_what_is_not_there(uri: str, tmp_path: Path) -> None:
    study = rnnexp.load_study("opinions", uri)
    pruned = next(number for number in study.trials.index if number != study.best.name)
    for call, problem in (
        (lambda: rnnexp.load_study("opinion-s", uri), "there is no study opinion-s"),
        (lambda: rnnexp.load_study(tracking_uri=f"sqlite:///{tmp_path}/no.db"), "no.db"),
        (lambda: study.model(7), "study .* has no trial 7"),
        (lambda: study.model(pruned), "has no checkpoint: "),
    ):
        with pytest.raises(NotFoundError, match=re.compile(problem)):
            call()


TOO_STRICT = "+constraints=['size < 10']"


@pytest.mark.parametrize(
    ("overrides", "text", "best", "front"),
    [
        ((), "min value", 4, [4]),
        ((OBJECTIVES,), "min loss, min size", 4, [0, 1, 2, 4]),
        ((OBJECTIVES, CONSTRAINTS), "min loss, min size, where size < 10000", 1, [0, 1, 2]),
        ((CONSTRAINTS,), "min value, where size < 10000", 0, [0]),
        ((OBJECTIVES, TOO_STRICT), "min loss, min size, where size < 10", None, []),
    ],
    ids=["one", "both", "constrained", "one constrained", "too strict"],
)
def test_the_best_trial_and_the_front_of_several_objectives(
    command: Command, overrides: tuple[str, ...], text: str, best: int | None, front: list[int]
) -> None:
    ended = sweep_of_five(command, *overrides)
    study = rnnexp.load_study("s", f"sqlite:///{ended.path}/mlflow.db")
    assert (str(study.objectives), repr(study)) == (text, f"<study s, {text}>")
    assert study.objectives
    assert study.objective == study.objectives.first
    assert study.front.index.tolist() == front
    assert study.front["best_value"].tolist() == study.trials["best_value"][front].tolist()
    if best is None:
        with pytest.raises(NotFoundError, match="s has no complete trial that meets its constr"):
            study.best  # noqa: B018
    else:
        assert (study.best.name, study.best["steps"]) == (best, FIVE[best][1])
