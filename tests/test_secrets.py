"""Secrets of stores and configs are in nothing that a command leaves or prints."""

import base64
import http.server
import os
import subprocess
import sys
import threading
import traceback
from pathlib import Path

import pytest
from click.testing import CliRunner
from mlflow.exceptions import MlflowException

from rnnexp.cli import main
from rnnexp.passwords import MLFLOW_VARIABLES
from rnnexp.storage.mlflow_server import server_problem
from rnnexp.storage.mlflow_store import MlflowStore
from tests.helpers.commands import EAGER, ROOT, TINY, Command, Ended
from tests.helpers.mlflow_server import mlflow_server
from tests.helpers.ports import free_port
from tests.test_faults import Postgres, postgres  # noqa: F401

SECRET = "s3cret"  # noqa: S105


def with_secret(folder: Path) -> list[Path]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert files
    return [file for file in files if SECRET.encode() in file.read_bytes()]


@pytest.mark.parametrize("flags", [[], ["-m"]])
@pytest.mark.parametrize(
    "given",
    [
        ["tracking.uri=http://me:s3cret@127.0.0.1:9"],
        ["tracking={uri:'http://me:s3cret@127.0.0.1:9'}"],
        ["tracking.uri=http://me:s3cret=(@127.0.0.1:9"],  # which Hydra could not read
        ["tracking.uri=http://me:s3cret@127.0.0.1:9", "no.such.key=1"],
        ["tracking.uri=http://me:s3cret@127.0.0.1:9", "fit.epochs=)"],
    ],
)
def test_a_start_that_fails(command: Command, flags: list[str], given: list[str]) -> None:
    ended = command(*flags, *given)
    assert ended.code == 1
    assert SECRET not in ended.out + ended.err
    assert not [f for f in ended.path.rglob("*") if f.is_file() and SECRET in f.read_text()]


def test_a_storage_that_cant_be_reached(command: Command) -> None:
    storage = "hydra.sweeper.storage=postgresql+psycopg://me:s3cret@127.0.0.1:9/db"
    ended = command("-m", storage)
    assert ended.code == 1
    assert "postgresql+psycopg://me:***@127.0.0.1:9/db can't be opened" in ended.err
    assert SECRET not in ended.out + ended.err


@pytest.fixture(scope="module")
def trained(command: Command) -> Ended:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIDDEN", SECRET)
        return command(
            "fit.epochs=1", EAGER, f"+db.password={SECRET}", "+who=${oc.env:HIDDEN}",
            f"+hub={{url:'https://me:{SECRET}@host/x',token:{SECRET}}}",
            "+twice=${who}", "+units=${model.units}",
        )  # fmt: skip


def test_a_single_run_stores_none(trained: Ended, tmp_path: Path) -> None:
    assert trained.code == 0, trained.err
    assert with_secret(trained.path) == []
    (run,) = trained.runs()
    stored = trained.client.download_artifacts(run.info.run_id, "config.yaml", str(tmp_path))
    lines = Path(stored).read_text().splitlines()
    assert {"who: ${oc.env:HIDDEN}", "twice: ${oc.env:HIDDEN}", "units: 4"} <= set(lines)
    assert {"  password: '***'", "  url: https://me:***@host/x", "  token: '***'"} <= set(lines)


@pytest.mark.parametrize("name", ["replay", "export"])
def test_a_variable_is_read_for_those_who_trust_a_run(
    trained: Ended, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HIDDEN", SECRET)
    (run,) = trained.runs()
    arguments = [name, run.info.run_id, *(["model"] if name == "export" else [])]
    store = f"--tracking-uri=sqlite:///{trained.path}/mlflow.db"
    refused = CliRunner().invoke(main, [*arguments, store])
    assert refused.exit_code == 1
    assert "who=${oc.env:HIDDEN}, which reads this machine" in refused.output
    assert "give --trust" in refused.output
    assert SECRET not in refused.output
    assert list(tmp_path.iterdir()) == []
    if name == "export":
        done = CliRunner().invoke(main, [*arguments, store, "--trust"])
        assert done.exit_code == 0, done.output
        assert with_secret(tmp_path / "model") == []


class Guarded(http.server.BaseHTTPRequestHandler):
    """A server that answers those who know the password, and asks the others for it."""

    def do_GET(self) -> None:
        known = base64.b64encode(f"me:{SECRET}".encode()).decode()
        is_known = self.headers["Authorization"] == f"Basic {known}"
        self.send_response(200 if is_known else 401)
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def test_mlflows_server_gets_the_password_and_no_error_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in MLFLOW_VARIABLES:
        monkeypatch.setenv(name, "")
    with http.server.HTTPServer(("127.0.0.1", 0), Guarded) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"127.0.0.1:{server.server_port}"
        try:
            store = MlflowStore(f"http://me:{SECRET}@{address}")
            assert store.uri == f"http://me:***@{address}"
            assert store.client().search_experiments() == []
            refused = MlflowStore(f"http://me:{SECRET}-old@{address}")
            with pytest.raises(MlflowException, match="Response") as error:
                refused.client().search_experiments()
        finally:
            server.shutdown()
            thread.join()
    assert SECRET not in "".join(traceback.format_exception(error.value))
    with pytest.raises(MlflowException, match="failed with exception") as error:
        store.client().search_experiments()
    assert SECRET not in "".join(traceback.format_exception(error.value))


def test_mlflows_server_gets_the_password_of_a_netrc_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in MLFLOW_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login me password {SECRET}\n")
    with http.server.HTTPServer(("127.0.0.1", 0), Guarded) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            uri = f"http://127.0.0.1:{server.server_port}"
            assert "answers 401" in str(server_problem(uri))
            monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
            assert server_problem(uri) is None
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.slow
def test_a_sweep_its_resume_and_every_command(
    tmp_path: Path,
    postgres: Postgres,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Optuna's storage is in PostgreSQL; MLflow has a server, in front of a SQLite file."""
    for name in MLFLOW_VARIABLES:
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("HIDDEN", SECRET)
    port, printed = free_port(), ""

    def given(word: str) -> tuple[str, str]:
        storage = postgres.url.replace("test@", f"test:{word}@")
        return f"{storage}/optuna", f"http://me:{word}@127.0.0.1:{port}"

    def sweep(word: str, *overrides: str) -> None:
        nonlocal printed
        storage, tracking = given(word)
        done = subprocess.run(
            [sys.executable, str(ROOT / "sweep.py"), "-m", *TINY, EAGER, "fit.epochs=1",
             "+who=${oc.env:HIDDEN}", f"+db.password={SECRET}",
             "hydra.sweeper.n_jobs=1", f"hydra.sweeper.storage={storage}",
             f"tracking.uri={tracking}", *overrides],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
        )  # fmt: skip
        printed += done.stdout
        assert done.returncode == 0, done.stdout

    def rnnexp(*arguments: str) -> None:
        nonlocal printed
        done = CliRunner().invoke(main, arguments)
        printed += done.output
        assert done.exit_code == 0, done.output

    with mlflow_server(tmp_path, port):
        sweep(SECRET, "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=1")
        sweep(f"{SECRET}-rotated", "hydra.sweeper.resume=s", "hydra.sweeper.n_trials=2")
        storage, tracking = given(SECRET)
        for name in ("report", "check"):
            rnnexp(name, "s", "--storage", storage, "--tracking-uri", tracking)
        rnnexp("studies", "--tracking-uri", tracking)
        rnnexp("export", "s/1", str(tmp_path / "model"), "--tracking-uri", tracking, "--trust")
        rnnexp("publish", "s", "--name", "other", "--tracking-uri", tracking, "--trust")
        dump = [postgres.programs / "pg_dump", "-h", "127.0.0.1", "-p", str(postgres.port)]
        database = subprocess.run(
            [*dump, "-U", "test", "optuna"], check=True, capture_output=True, text=True
        ).stdout
    assert "s/report" in printed
    assert SECRET not in printed
    assert "mlflow_run_id" in database
    assert SECRET not in database
    assert with_secret(tmp_path) == []
