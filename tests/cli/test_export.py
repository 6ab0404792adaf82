import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket
from typing import Any

import keras
import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from rnnexp import data
from rnnexp.cli import main
from rnnexp.data.encoding import Vocabulary, tokenize
from rnnexp.storage.run_reader import RunReader
from rnnexp.training.checkpoint import load_file
from rnnexp.training.model import build
from tests.helpers.commands import ROOT, Command, Ended

KOREAN = "리뷰,별점\n" + '"정말, ""최고""의 영화",5\n별로예요,1\n그냥 그래요,3\n' * 8
SENTENCES = [
    "a good film", "not a good film", "bad", "", "BAD, bad!", 'she said "no", twice', "don't go",
    "영화", "the the the the the the the the the the the", "1, 2; 3",
]  # fmt: skip
WEIGHTS = (
    "callbacks.model_checkpoint.save_weights_only=true",
    'callbacks.model_checkpoint.filepath="${hydra:runtime.output_dir}/best.weights.h5"',
)


def export(ended: Ended, *arguments: str) -> Result:
    uri = f"--tracking-uri=sqlite:///{ended.path}/mlflow.db"
    return CliRunner().invoke(main, ["export", *arguments, uri])


def outputs(ended: Ended, texts: list[str], folder: Path) -> Any:
    """What the checkpoint of the one run says, with the project's own encoding."""
    reader = RunReader(f"sqlite:///{ended.path}/mlflow.db")
    (run,) = ended.runs()
    config = reader.config(run)
    dataset = data.load(config.data)
    file = reader.download(run, run.data.tags["checkpoint"], folder)
    if file.name.endswith(".weights.h5"):
        network = build(config, dataset)
        network.optimizer.build(network.trainable_variables)
        network.load_weights(file)
    else:
        network = keras.models.load_model(file)
    tokens = [tokenize(text, config.data.split) for text in texts]
    ids = Vocabulary(dataset.words).encode(tokens, dataset.train().x.shape[1])
    return network.predict(ids, verbose=0)


def softmax(logits: Any) -> Any:
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def trained(command: Command) -> Ended:
    return command()


def exported(ended: Ended, folder: Path) -> mlflow.pyfunc.PyFuncModel:
    (run,) = ended.runs()
    result = export(ended, run.info.run_id[:12], str(folder))
    assert result.exit_code == 0, result.output
    assert f"mlflow models predict -m {folder} --env-manager local" in result.output
    return mlflow.pyfunc.load_model(str(folder))


@pytest.mark.slow
def test_weights_alone(command: Command, tmp_path: Path) -> None:
    ended = command(*WEIGHTS)
    model = exported(ended, tmp_path / "new" / "model")
    predicted = model.predict(pd.DataFrame({"text": SENTENCES}))
    expected = outputs(ended, SENTENCES, tmp_path)[:, 0]
    assert predicted["probability_1"].tolist() == pytest.approx(expected.tolist(), abs=1e-6)


@pytest.mark.slow
def test_a_layer_of_ones_own(command: Command, tmp_path: Path) -> None:
    own = "tests.helpers.own_models"
    metrics = f"compile.metrics=[accuracy,{{_target_:hydra.utils.get_method,path:{own}.f1}}]"
    ended = command("model=own", f"model.function={own}.twice", metrics)
    assert ended.code == 0, ended.err
    assert ", f1 " in ended.out  # evaluated with the function
    (run,) = ended.runs()
    result = export(ended, run.info.run_id, str(tmp_path / "model"), "--trust")
    assert result.exit_code == 0, result.output
    assert f"(it needs {own}.Twice, which must be importable there)" in result.output
    assert (
        f'PYTHONPATH={shlex.quote(str(ROOT))}:"$PYTHONPATH" mlflow models predict -m '
        in result.output
    )
    model = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    predicted = model.predict(pd.DataFrame({"text": SENTENCES}))
    reader = RunReader(f"sqlite:///{ended.path}/mlflow.db", trust=True)
    config = reader.config(run)
    dataset = data.load(config.data)
    network = build(config, dataset)
    load_file(network, reader.download(run, run.data.tags["checkpoint"], tmp_path))
    tokens = [tokenize(text, config.data.split) for text in SENTENCES]
    ids = Vocabulary(dataset.words).encode(tokens, dataset.train().x.shape[1])
    expected = network.predict(ids, verbose=0)[:, 0]
    assert predicted["probability_1"].tolist() == pytest.approx(expected.tolist(), abs=1e-6)


@pytest.mark.slow
def test_a_hinge(command: Command, tmp_path: Path) -> None:
    ended = command("compile.loss=hinge", "compile.metrics=[]")
    predicted = exported(ended, tmp_path / "model").predict(pd.DataFrame({"text": SENTENCES}))
    expected = outputs(ended, SENTENCES, tmp_path)[:, 0]
    assert list(predicted.columns) == ["label", "score"]
    assert predicted["score"].tolist() == pytest.approx(expected.tolist(), abs=1e-6)
    assert predicted["label"].tolist() == [int(score > 0) for score in expected]


@pytest.mark.slow
def test_a_regression(command: Command, tmp_path: Path) -> None:
    ended = command("data.task=regression", "compile=regression")
    predicted = exported(ended, tmp_path / "model").predict(pd.DataFrame({"text": SENTENCES}))
    expected = outputs(ended, SENTENCES, tmp_path)[:, 0]
    assert list(predicted.columns) == ["value"]
    assert predicted["value"].tolist() == pytest.approx(expected.tolist(), abs=1e-6)


@pytest.mark.slow
def test_korean_characters_and_three_classes(command: Command, tmp_path: Path) -> None:
    for part in ("train", "test"):
        (tmp_path / f"{part}.csv").write_text(KOREAN)
    ended = command(
        "data=table", f"data.train={tmp_path}/train.csv", f"data.test={tmp_path}/test.csv",
        "data.text='리뷰'", "data.label='별점'", "data.split=character", "data.task=classes",
        "data.maxlen=null", "compile=sparse_categorical", "+compile.loss.from_logits=true",
        "model.units=4", "model.embedding_size=4", "fit.epochs=1",
        tiny=False,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    texts = ['정말, "최고"의 영화', "별로", "", "그래요 그래요 그래요 그래요 그래요"]
    predicted = exported(ended, tmp_path / "model").predict(pd.DataFrame({"리뷰": texts}))
    expected = softmax(outputs(ended, texts, tmp_path))
    assert list(predicted.columns) == ["label", "probability_1", "probability_3", "probability_5"]
    assert predicted.iloc[:, 1:].to_numpy() == pytest.approx(expected, abs=1e-6)
    assert predicted["label"].tolist() == [[1, 3, 5][k] for k in expected.argmax(axis=1)]
    # The reviews change: the words of the run are lost.
    (tmp_path / "train.csv").write_text(KOREAN.replace("별로예요", "재미있어요"))
    (run,) = ended.runs()
    changed = export(ended, run.info.run_id, str(tmp_path / "other"))
    assert changed.exit_code == 1
    assert f"the data of run {run.info.run_id} have changed since it was trained" in changed.output
    assert not (tmp_path / "other").exists()
    (tmp_path / "train.csv").unlink()
    gone = export(ended, run.info.run_id, str(tmp_path / "other"))
    assert gone.exit_code == 1
    assert "train.csv" in gone.output


@pytest.mark.parametrize(
    ("fingerprint", "message"),
    [("0123", "the fingerprint was 0123, now it is "), (None, "has not stored which data")],
)
def test_other_or_unknown_data(
    trained: Ended, tmp_path: Path, fingerprint: str | None, message: str
) -> None:
    (run,) = trained.runs()
    run_id, stored = run.info.run_id, run.data.tags["data"]
    trained.client.delete_tag(run_id, "data")
    if fingerprint:
        trained.client.set_tag(run_id, "data", fingerprint)
    result = export(trained, run_id, str(tmp_path / "model"))
    trained.client.set_tag(run_id, "data", stored)
    assert result.exit_code == 1
    assert message in result.output
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_empty(trained: Ended, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    result = export(trained, "x", str(tmp_path))
    assert result.exit_code == 1
    assert f"{tmp_path} is not empty; give an empty folder, or a new one" in result.output
    (tmp_path / "empty").mkdir()
    exported(trained, tmp_path / "empty")
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "empty"}


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"checkpoint_deleted": "deleted by keep=5"}, "deleted by keep=5"),
        ({}, "callbacks had no model_checkpoint, or no epoch ended"),
    ],
)
def test_no_checkpoint(trained: Ended, tmp_path: Path, tags: dict[str, str], reason: str) -> None:
    (run,) = trained.runs()
    client, run_id = trained.client, run.info.run_id
    client.delete_tag(run_id, "checkpoint")
    for name, value in tags.items():
        client.set_tag(run_id, name, value)
    refused = export(trained, run_id, str(tmp_path / "model"))
    client.set_tag(run_id, "checkpoint", run.data.tags["checkpoint"])
    for name in tags:
        client.delete_tag(run_id, name)
    assert refused.exit_code == 1
    assert f"run {run_id} has no checkpoint: {reason}" in refused.output


def test_runs_of_another_kind(app: Command, tmp_path: Path) -> None:
    ended = app("-m", "hydra.sweeper.n_trials=1", "hydra.sweeper.study_name=s")
    parent, _ = ended.runs("app")
    for run, message in (
        ("s/0", "is of an application without a Keras model"),
        (parent.info.run_id, "is of an application without a Keras model"),  # the best trial's
        ("s/9", "study s has no trial 9"),
    ):
        refused = export(ended, run, str(tmp_path / "model"))
        assert refused.exit_code == 1
        assert message in refused.output
    assert not list(tmp_path.iterdir())


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of the test don't find this project, nor what a trained model has no use for."""
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "sitecustomize.py").write_text(
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('rnnexp', 'hydra', 'omegaconf', 'optuna'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "blocked"))
    found = subprocess.run(
        [sys.executable, "-c", "import rnnexp"], capture_output=True, check=False
    )
    assert b"ModuleNotFoundError: rnnexp" in found.stderr


def command_of_mlflow(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "mlflow", "models", *arguments, "--env-manager=local"]


@pytest.fixture
def sentences(tmp_path: Path) -> Path:
    file = tmp_path / "sentences.csv"
    pd.DataFrame({"text": SENTENCES}).to_csv(file, index=False, quoting=1)
    return file


@pytest.mark.slow
@pytest.mark.usefixtures("elsewhere")
def test_mlflow_models_predict(trained: Ended, tmp_path: Path, sentences: Path) -> None:
    exported(trained, tmp_path / "model")
    predict = command_of_mlflow("predict", "-m", str(tmp_path / "model"))
    ended = subprocess.run(
        [*predict, "-i", str(sentences), "-t", "csv", "-o", str(tmp_path / "out.json")],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    predicted = json.loads((tmp_path / "out.json").read_text())["predictions"]
    expected = outputs(trained, SENTENCES, tmp_path)[:, 0].tolist()
    assert [row["probability_1"] for row in predicted] == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
@pytest.mark.usefixtures("elsewhere")
def test_mlflow_models_serve(trained: Ended, tmp_path: Path, sentences: Path) -> None:
    exported(trained, tmp_path / "model")
    with served(tmp_path / "model", tmp_path / "log") as address:
        request = urllib.request.Request(  # noqa: S310
            f"{address}/invocations", sentences.read_bytes(), {"Content-Type": "text/csv"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            predicted = json.load(answer)["predictions"]
    expected = outputs(trained, SENTENCES, tmp_path)[:, 0].tolist()
    assert [row["probability_1"] for row in predicted] == pytest.approx(expected, abs=1e-6)


@contextmanager
def served(model: Path, log: Path) -> Iterator[str]:
    """The address of a server that is up, ended with the block."""
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    serve = command_of_mlflow("serve", "-m", str(model), "-h", "127.0.0.1", "-p", str(port))
    with (
        log.open("w") as out,
        subprocess.Popen(serve, stdout=out, stderr=out, start_new_session=True) as process,
    ):
        try:
            end = time.monotonic() + 240
            while not is_up(address):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.5)
            yield address
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # it has started others


def is_up(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/ping", timeout=5):  # noqa: S310
            return True
    except OSError:
        return False
