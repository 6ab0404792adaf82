"""An MLflow server that refuses, breaks or stays silent; see tests/helpers/faulty_mlflow.py."""

import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from mlflow.tracking import MlflowClient
from omegaconf import DictConfig

from rnnexp.cli import main
from rnnexp.errors import NotFoundError, StoreError
from rnnexp.storage.mlflow_server import server_problem
from rnnexp.storage.mlflow_store import MlflowStore
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.storage.outbox import deliver_all
from rnnexp.storage.refused_writes import deliver_refused
from rnnexp.storage.registry import Registry
from rnnexp.storage.run_reader import RunReader
from rnnexp.storage.schema import Files, Tags
from tests.helpers.commands import ROOT, Command
from tests.helpers.faulty_mlflow import ARTIFACTS, FaultyServer, faulty_server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyServer]:
    with faulty_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(autouse=True)
def no_faults(server: FaultyServer) -> None:
    server.fail()


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (401, "answers 401 (unauthorized): give MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASS"),
        (403, "answers 403 (forbidden), '<html>': ask for access"),
        (404, "is no MLflow server: it answers 404"),
        (405, "is no MLflow server: it answers 405"),
        (500, "answers 500, '<html>': look into the log of the server"),
        (502, "answers 502, '<html>'"),
        ("<html>Sign in</html>", "is no MLflow server: it answers the text '<html>Sign in</html>'"),
        ("", "is no MLflow server: it answers the text with no text"),
        ("[]", "is no MLflow server: it answers the text '[]'"),
        ('{"status": "ok"}', "is no MLflow server"),
        ("silent", "does not answer within 8 seconds"),
        ("lost", "can't be reached: "),
    ],
)
def test_a_server_that_refuses(server: FaultyServer, answer: int | str, problem: str) -> None:
    server.fail({"path": "/api/", "answer": answer})
    began = time.monotonic()
    (found,) = Tracker(server.uri, "new").problems()
    assert found.startswith(f"tracking.uri: {server.uri} {problem}")
    assert time.monotonic() - began < 15
    assert MlflowStore(server.uri).read_problem() == found.removeprefix("tracking.uri: ")


def test_a_server_is_waited_for(server: FaultyServer) -> None:
    server.fail({"path": "/api/", "answer": 503, "times": 1})
    assert MlflowStore(server.uri).unreachable(10) is None
    server.fail({"path": "/api/", "answer": 503})
    assert "answers 503" in str(MlflowStore(server.uri).unreachable(3))


def test_a_run_that_ends_prints_nothing(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """MLflow's client would print the run's address, between the lines of any command."""
    with Tracker(server.uri, "quiet").run("a", tags={}, params={}):
        pass
    assert capsys.readouterr().out == ""


def test_nobody_listens() -> None:
    assert server_problem("http://127.0.0.1:9") == (
        "http://127.0.0.1:9 can't be reached: Connection refused"
    )
    assert "can't be reached" in str(server_problem("http://nobody.invalid"))


def test_a_check_leaves_nothing_behind(server: FaultyServer) -> None:
    before = {experiment.name for experiment in MlflowClient(server.uri).search_experiments()}
    assert Tracker(server.uri, "brand new").problems() == []
    assert {e.name for e in MlflowClient(server.uri).search_experiments()} == before
    assert list(server.folder.rglob("*rnnexp-check*")) == []


@pytest.mark.parametrize("answer", [403, 413, 500])
def test_an_artifact_store_that_refuses_is_found_before_a_run(
    server: FaultyServer, answer: int
) -> None:
    server.fail({"path": ARTIFACTS, "method": "PUT", "answer": answer})
    (problem,) = Tracker(server.uri, "new").problems()
    assert problem.startswith("tracking.experiment=new: its artifacts can't be written")
    assert str(answer) in problem


@pytest.mark.parametrize(("answer", "file"), [(403, Files.REFUSED), (500, Files.OUTBOX)])
def test_artifacts_are_refused_and_metrics_arrive(
    server: FaultyServer, tmp_path: Path, answer: int, file: str
) -> None:
    tracker = Tracker(server.uri, "e")
    server.fail({"path": ARTIFACTS, "answer": answer})
    outbox = tmp_path / Files.OUTBOX
    with tracker.run("a", tags={}, params={"x": 1}, outbox=outbox) as run:
        run.log_text("text", "a.txt")
        for step in range(3):
            run.log_batch(metrics={"loss": step}, step=step)
        run.log_text("text", "b.txt")
    client = MlflowClient(server.uri)
    found = client.get_run(run.id)
    assert (found.info.status, found.data.params) == ("FINISHED", {"x": "1"})
    assert len(client.get_metric_history(run.id, "loss")) == 3
    assert [path.name for path in tmp_path.iterdir()] == [file]
    server.fail()
    deliver_all(tmp_path)
    assert deliver_refused(tmp_path) == []
    assert [one.path for one in client.list_artifacts(run.id)] == ["a.txt", "b.txt"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (None, NotFoundError, "has no config.yaml; the run was not made by rnnexp"),
        (403, StoreError, "config.yaml can't be read: its server answers 403"),
        (404, NotFoundError, "has no config.yaml"),
    ],
)
def test_an_artifact_that_is_missing_or_refused(
    server: FaultyServer, answer: int | None, error: type[Exception], text: str
) -> None:
    with Tracker(server.uri, "e").run("a", tags={}, params={}) as run:
        pass
    if answer:
        server.fail({"path": ARTIFACTS, "answer": answer})
    reader = RunReader(server.uri)
    began = time.monotonic()
    with pytest.raises(error, match=text):
        reader.config(reader.run(run.id))
    assert time.monotonic() - began < 15


def test_a_silent_server_is_waited_for_once(server: FaultyServer, tmp_path: Path) -> None:
    tracker = Tracker(server.uri, "e")
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        with tracker.run("a", tags={}, params={}, outbox=tmp_path / f"{number}/{Files.OUTBOX}"):
            server.fail({"path": "/api/", "answer": 503})
        server.fail()
    server.fail({"path": "/api/", "answer": "silent"})
    began = time.monotonic()
    assert deliver_all(tmp_path) == (0, 3)
    assert time.monotonic() - began < 40  # and not three times as long
    server.fail()
    assert deliver_all(tmp_path) == (3, 0)


@pytest.mark.parametrize("times", [1, 3])
def test_a_run_whose_answer_is_lost_is_made_once(server: FaultyServer, times: int) -> None:
    tracker, client = Tracker(server.uri, f"lost {times}"), MlflowClient(server.uri)
    server.fail(
        {"path": "runs/create", "answer": "lost", "times": times},
        {"path": "experiments/create", "answer": "lost", "times": 1},
    )
    with tracker.run("a", tags={"study": "s"}, params={}) as run:
        run.log_batch(metrics={"loss": 1})
    experiment = client.get_experiment_by_name(f"lost {times}")
    found = client.search_runs([experiment.experiment_id])
    assert [one.info.run_id for one in found] == [run.id]
    assert tracker.find({"study": "s"}) == run.id


def test_a_version_whose_answer_is_lost_is_made_once(server: FaultyServer, tmp_path: Path) -> None:
    client = MlflowClient(server.uri)
    run = client.create_run("0").info.run_id
    model = client.create_logged_model("0", source_run_id=run)
    (tmp_path / "MLmodel").write_text("flavors: {}")
    client.log_model_artifacts(model.model_id, str(tmp_path))
    server.fail(
        {"path": "registered-models/create", "answer": "lost", "times": 1},
        {"path": "model-versions/create", "answer": "lost", "times": 1},
    )
    version = Registry(client, "lost").add(model.model_id, run, {})
    found = client.search_model_versions("name = 'lost'")
    assert [one.version for one in found] == [version.version]


def evaluated(config: DictConfig, run_id: str) -> dict[str, float]:
    store = MlflowStore(config.hydra.sweeper.tracking.uri)
    with tempfile.TemporaryDirectory() as folder:
        file = store.download(run_id, "checkpoint/best.fake", Path(folder))
        return {"file": float(file.read_text())}


def test_a_sweep_whose_checkpoints_are_refused(
    command: Command, server: FaultyServer, tmp_path: Path
) -> None:
    server.fail({"path": f"{ARTIFACTS}artifacts/[0-9]+/[0-9a-f]{{32}}/", "answer": 413})
    ended = command(
        "-m", "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=2", "x=choice(1,2)",
        "hydra.sweeper.params=null", f"hydra.sweeper.tracking.uri={server.uri}",
        "hydra.sweeper.tracking.experiment=refused",
        "hydra.sweeper.evaluate=tests.storage.test_faulty_server.evaluated",
        path=tmp_path, tiny=False, script=ROOT / "tests" / "helpers" / "saving_app.py",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert "Study s: 2 complete, 0 pruned, 0 fail" in ended.out
    assert re.search(r"test file +│ 1.0000", ended.out)
    assert "MLflow has refused writes of 3 runs. To retry them:\n  rnnexp deliver" in ended.out
    client = MlflowClient(server.uri)
    experiment = client.get_experiment_by_name("refused").experiment_id
    runs = client.search_runs([experiment])
    assert [run.info.status for run in runs] == ["FINISHED"] * 3
    server.fail()
    (study,) = (tmp_path / "multirun").glob("*")
    result = CliRunner().invoke(main, ["deliver", str(study)])
    assert result.exit_code == 0, result.output
    best = next(run for run in runs if run.data.metrics.get("best_value") == 1 and run.data.params)
    (file,) = client.list_artifacts(best.info.run_id, "checkpoint")
    assert file.path == "checkpoint/best.fake"
    assert list(study.rglob(f"*{Files.REFUSED}")) == []


def has_checkpoint(config: DictConfig, run_id: str) -> dict[str, float]:
    uri = config.hydra.sweeper.tracking.uri
    return {"checkpoint": float(Tags.CHECKPOINT in MlflowClient(uri).get_run(run_id).data.tags)}


def test_the_server_is_back_only_just_when_the_sweep_ends(
    server: FaultyServer, command: Command
) -> None:
    ended = command(
        "-m", "hydra.sweeper.study_name=just_back", "hydra.sweeper.n_trials=1", "+away=12",
        f"hydra.sweeper.tracking.uri={server.uri}",
        "hydra.sweeper.evaluate=tests.storage.test_faulty_server.has_checkpoint", tiny=False,
        script=ROOT / "tests" / "helpers" / "saving_app.py",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert "test checkpoint │ 1.0000" in ended.out
    assert list(ended.path.rglob("*.outbox")) == []
