"""Datasets, evaluation and predictions of a real sweep, read back through MLflow's client."""

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import keras
import mlflow
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from mlflow.entities import Run
from sklearn.metrics import log_loss

import rnnexp
from rnnexp import data
from rnnexp.cli import main
from rnnexp.storage.run_reader import RunReader
from tests.helpers.commands import EAGER, Command, Ended

pytestmark = pytest.mark.slow

WORDS = ("good", "fine", "bad", "dull")
# Every fifth label is wrong, so that there are mistakes.
ROWS = [(f"a {WORDS[n % 4]} film {n}", "pos" if (n % 4 < 2) != (n % 5 == 0) else "neg")
        for n in range(60)]  # fmt: skip
FILES = {
    "evaluation.html", "evaluation.json", "predictions.csv", "mistakes.csv",
    "confusion_matrix.csv", "by_class.csv",
}  # fmt: skip
TABLE = ("data=table", "data.train=train.csv", "data.test=test.csv", "data.text=document",
         "data.label=opinion", "data.maxlen=8", "model.embedding_size=4", EAGER)  # fmt: skip


def write(file: Path, rows: list[tuple[str, str]]) -> Path:
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("document", "opinion"), *rows])
    return file


@pytest.fixture(scope="module")
def swept(command: Command, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("folder")
    write(folder / "train.csv", ROWS[:40])
    write(folder / "test.csv", ROWS[40:])
    ended = command(
        "-m", *TABLE, "fit.epochs=2", "hydra.sweeper.params=null", "model.units=choice(3,4)",
        "hydra.sweeper.n_trials=2", "hydra.sweeper.keep=1", "hydra.sweeper.study_name=films",
        tiny=False, path=folder,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    return ended


def best_of(swept: Ended) -> tuple[Run, Run]:
    """Return the study's run, and that of the best trial."""
    parent, *trials = swept.runs()
    return parent, trials[int(parent.data.metrics["best_trial"])]


def artifact(ended: Ended, run: Run, path: str, folder: Path) -> str:
    file = ended.client.download_artifacts(run.info.run_id, path, str(folder))
    return Path(file).read_text(encoding="utf-8")


def names(ended: Ended, run: Run, path: str) -> set[str]:
    found = ended.client.list_artifacts(run.info.run_id, path)
    return {Path(one.path).name for one in found if not one.is_dir}


def rnnexp_command(ended: Ended, *arguments: str, stdin: str | None = None) -> Result:
    uri = f"sqlite:///{ended.path}/mlflow.db"
    return CliRunner().invoke(main, [*arguments, "--tracking-uri", uri], input=stdin)


def table_of(result: Result) -> pd.DataFrame:
    assert result.exit_code == 0, result.output
    return pd.read_csv(io.StringIO(result.stdout))


def test_each_run_has_its_datasets(swept: Ended) -> None:
    runs = swept.runs()
    query = ""
    for run in runs:
        inputs = {
            one.tags[0].value: one.dataset
            for one in swept.client.get_run(run.info.run_id).inputs.dataset_inputs
        }
        rows = {context: json.loads(one.profile)["num_rows"] for context, one in inputs.items()}
        assert rows == {"training": 32, "validation": 8, "testing": 20}
        assert inputs["testing"].name == "test.csv"
        assert json.loads(inputs["testing"].source)["uri"] == str(swept.path / "test.csv")
        query = f"dataset.digest = '{inputs['training'].digest}'"
    assert runs[1].data.tags["data"][:8] in query
    found = swept.client.search_runs([runs[0].info.experiment_id], query)
    assert {run.info.run_id for run in found} == {run.info.run_id for run in runs}


def test_the_winner_has_its_predictions_on_the_test_part(swept: Ended, tmp_path: Path) -> None:
    parent, best = best_of(swept)
    assert names(swept, best, "evaluation") == FILES
    loser = next(run for run in swept.runs()[1:] if run.info.run_id != best.info.run_id)
    assert names(swept, loser, "evaluation") == set()  # whose test part nobody has read
    table = pd.read_csv(io.StringIO(artifact(swept, best, "evaluation/predictions.csv", tmp_path)))
    assert table["row"].tolist() == list(range(1, 21))
    assert table["label"].tolist() == [label for _, label in ROWS[40:]]
    tested = parent.data.metrics
    is_right = table["label"] == table["predicted"]
    assert is_right.mean() == pytest.approx(tested["test_accuracy"])
    probabilities = table[["probability_neg", "probability_pos"]]
    assert log_loss(table["label"], probabilities) == pytest.approx(tested["test_loss"], abs=1e-4)
    mistakes = pd.read_csv(io.StringIO(artifact(swept, best, "evaluation/mistakes.csv", tmp_path)))
    assert len(mistakes) == (~is_right).sum()
    assert mistakes["confidence"].is_monotonic_decreasing
    for one in mistakes.itertuples():
        assert (one.text, one.label) == ROWS[40 + one.row - 1]
    found = json.loads(artifact(swept, best, "evaluation/evaluation.json", tmp_path))
    assert np.trace(found["confusion"]) == is_right.sum()
    assert found["scores"]["loss"] == pytest.approx(tested["test_loss"])


def test_the_report_has_the_evaluation(swept: Ended, tmp_path: Path) -> None:
    parent, best = best_of(swept)
    report = artifact(swept, parent, "report.html", tmp_path)
    page = artifact(swept, best, "evaluation/evaluation.html", tmp_path)
    for text in ("Confusion matrix", "Precision, recall and F1", "Most confident mistakes", "ROC"):
        assert text in report
        assert text in page
    assert f"<h1>films/{best.data.tags['trial']} on the test part</h1>" in page
    # Written again, it has the same.
    folder, storage = tmp_path / "again", f"sqlite:///{swept.path}/optuna.db"
    arguments = ("report", "films", "--folder", str(folder), "--storage", storage)
    result = rnnexp_command(swept, *arguments)
    assert result.exit_code == 0, result.output
    assert "Most confident mistakes" in (folder / "report.html").read_text(encoding="utf-8")


def test_evaluate_gives_the_same_again(swept: Ended, tmp_path: Path) -> None:
    parent, best = best_of(swept)
    before = artifact(swept, best, "evaluation/predictions.csv", tmp_path)
    result = rnnexp_command(swept, "evaluate", "films")
    assert result.exit_code == 0, result.output
    accuracy = parent.data.metrics["test_accuracy"]
    assert f"20 rows: loss {parent.data.metrics['test_loss']:.4g}" in result.output
    assert f"accuracy {accuracy:.4g}." in result.output
    head, *lines = re.findall(r"^(?:label|neg|pos) .*$", result.output, re.MULTILINE)
    assert head.split()[:6] == ["label", "as", "neg", "as", "pos", "precision"]
    counts = [list(map(int, line.split()[1:3])) for line in lines]
    assert np.trace(counts) == pytest.approx(20 * accuracy)
    assert artifact(swept, best, "evaluation/predictions.csv", tmp_path) == before


def test_evaluate_on_another_file(swept: Ended, tmp_path: Path) -> None:
    _, best = best_of(swept)
    trial = f"films/{best.data.tags['trial']}"
    file = write(tmp_path / "new reviews.csv", ROWS[:10])
    result = rnnexp_command(swept, "evaluate", trial, "--data", str(file))
    assert result.exit_code == 0, result.output
    assert "10 rows: loss" in result.output
    assert f"evaluation/new_reviews.csv among the artifacts of run {best.info.run_id}" in (
        result.output
    )
    assert names(swept, best, "evaluation/new_reviews.csv") == FILES
    assert names(swept, best, "evaluation") == FILES
    arguments = ("evaluate", trial, "--data", str(file), "--output", str(tmp_path / "out"))
    result = rnnexp_command(swept, *arguments)
    assert result.exit_code == 0, result.output
    assert {one.name for one in (tmp_path / "out").iterdir()} == FILES
    table = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert table["label"].tolist() == [label for _, label in ROWS[:10]]


def test_predict(swept: Ended, tmp_path: Path) -> None:
    texts = [text for text, _ in ROWS[40:]]
    file = tmp_path / "texts.csv"
    pd.DataFrame({"document": texts}).to_csv(file, index=False)
    table = table_of(rnnexp_command(swept, "predict", "films", str(file)))
    assert table.columns.tolist() == ["document", "label", "probability_neg", "probability_pos"]
    assert table["document"].tolist() == texts
    _, best = best_of(swept)
    evaluated = pd.read_csv(
        io.StringIO(artifact(swept, best, "evaluation/predictions.csv", tmp_path))
    )
    assert table["label"].tolist() == evaluated["predicted"].tolist()
    pos = evaluated["probability_pos"].tolist()
    assert table["probability_pos"].tolist() == pytest.approx(pos, abs=1e-5)
    # As a text a line, from standard input, and into a file.
    lines = "\n".join(texts)
    (tmp_path / "texts.txt").write_text(lines)
    output = tmp_path / "out.csv"
    arguments = ("predict", "films", str(tmp_path / "texts.txt"), "--output", str(output))
    assert rnnexp_command(swept, *arguments).output == ""
    pd.testing.assert_frame_equal(pd.read_csv(output), table)
    piped = table_of(rnnexp_command(swept, "predict", "films", "-", stdin=lines))
    pd.testing.assert_frame_equal(piped, table)


def test_the_served_model_says_the_same(swept: Ended, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{swept.path}/mlflow.db")
    texts = ["a good film", "a dull film"]
    served = mlflow.pyfunc.load_model("models:/films@champion")
    predicted = served.predict(pd.DataFrame({"document": texts}))
    loaded = rnnexp.load_study("films", f"sqlite:///{swept.path}/mlflow.db").model().predict(texts)
    piped = table_of(rnnexp_command(swept, "predict", "films", "-", stdin="\n".join(texts)))
    assert predicted.columns.tolist() == ["label", "probability_neg", "probability_pos"]
    pd.testing.assert_frame_equal(predicted, loaded)
    pd.testing.assert_frame_equal(predicted, piped.drop(columns="document"), atol=1e-6)


def test_what_can_not_be_evaluated_or_predicted(swept: Ended, tmp_path: Path) -> None:
    _, best = best_of(swept)
    other = 1 - int(best.data.tags["trial"])
    unknown = write(tmp_path / "unknown.csv", [("a film", "great")])
    (tmp_path / "texts.csv").write_text("document\na film\n")
    for arguments, problem in (
        (("evaluate", "films", "--data", str(unknown)), "does not know: 'great'; it knows 'neg'"),
        (("evaluate", "films", "--data", str(tmp_path / "texts.csv")), "has no column 'opinion'"),
        (("evaluate", "films", "--data", "no.csv"), "no.csv does not exist; accepted files"),
        (("evaluate", f"films/{other}"), "has no checkpoint: hydra.sweeper.keep=1: "),
        (("evaluate", "filmes"), "there is no study or run filmes"),
        (("predict", f"films/{other}", str(unknown)), "has no checkpoint: hydra.sweeper.keep=1: "),
        (("predict", "films", "no.csv"), "no.csv does not exist; accepted files"),
        (("predict", "films"), "Missing argument 'FILE'"),
    ):
        result = rnnexp_command(swept, *arguments)
        assert result.exit_code != 0, arguments
        assert problem in result.output, arguments
        assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "overrides",
    [
        ("data.task=regression", "compile=regression"),
        ("data.task=classes", "compile=sparse_categorical"),
        ("model=gru", "model.mask_zero=true", "data.bucketing=3", "evaluate.batch_size=7"),
        pytest.param(("data.task=classes", "compile=categorical"), marks=pytest.mark.slow),
        pytest.param(("compile.loss=hinge",), marks=pytest.mark.slow),
        pytest.param(("+compile.loss.from_logits=true",), marks=pytest.mark.slow),
        pytest.param(("+evaluate.steps=2", "evaluate.batch_size=15"), marks=pytest.mark.slow),
    ],
    ids=lambda overrides: overrides[-1],
)
def test_predictions_of_each_kind_are_those_of_the_checkpoint(
    command: Command, tmp_path: Path, overrides: tuple[str, ...]
) -> None:
    ended = command(*overrides, "fit.epochs=1", EAGER)
    assert ended.code == 0, ended.err
    (run,) = ended.runs()
    reader = RunReader(f"sqlite:///{ended.path}/mlflow.db")
    dataset = data.load(reader.config(run).data)
    path = ended.client.download_artifacts(run.info.run_id, "checkpoint", str(tmp_path))
    network = keras.models.load_model(Path(path) / "best.keras", compile=False)
    outputs = network.predict(dataset.test().x, verbose=0)
    table = pd.read_csv(io.StringIO(artifact(ended, run, "evaluation/predictions.csv", tmp_path)))
    outputs, truth = outputs[: len(table)], dataset.test().y[: len(table)]
    assert len(table) == (30 if "+evaluate.steps=2" in overrides else 40)
    if "residual" in table:
        assert table["residual"].tolist() == pytest.approx(outputs[:, 0] - truth, abs=1e-4)
        squares = (table["residual"] ** 2).mean()
        assert squares == pytest.approx(run.data.metrics["test_loss"], rel=1e-4)
        return
    first = dataset.classes[0]
    assert table["label"].tolist() == [dataset.classes[number] for number in truth]
    if "score" in table:
        assert table["score"].tolist() == pytest.approx(outputs[:, 0], abs=1e-5)
    elif outputs.shape[1] > 1:
        assert table[f"probability_{first}"].tolist() == pytest.approx(outputs[:, 0], abs=1e-5)
    else:
        is_logit = "+compile.loss.from_logits=true" in overrides
        second = 1 / (1 + np.exp(-outputs[:, 0])) if is_logit else outputs[:, 0]
        assert table["probability_1"].tolist() == pytest.approx(second, abs=1e-5)
    if "test_accuracy" in run.data.metrics:
        right = (table["label"] == table["predicted"]).mean()
        assert right == pytest.approx(run.data.metrics["test_accuracy"])


@pytest.mark.slow
@pytest.mark.parametrize("command_line", ["predict films test.csv", "evaluate films --output out"])
def test_a_command_of_its_own_process_prints_nothing_else(
    swept: Ended, tmp_path: Path, command_line: str
) -> None:
    """TensorFlow's libraries write to the error output while Keras is imported."""
    write(tmp_path / "test.csv", ROWS[40:])
    uri = f"sqlite:///{swept.path}/mlflow.db"
    program = [sys.executable, "-c", "from rnnexp.cli import main; main()", *command_line.split()]
    ended = subprocess.run(
        [*program, "--tracking-uri", uri], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
