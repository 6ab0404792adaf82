"""An MLflow server that refuses, breaks or stays silent, as a test asks it to.

    python -m tests.helpers.faulty_mlflow PORT FOLDER

It is MLflow's own server, with a store in the folder. A POST to /faults sets the faults: a list of
{"path": PATTERN, "method": PATTERN, "answer": ANSWER, "times": N, "until": TIME}, with a time in
seconds since the epoch. ANSWER is an HTTP status, a text (sent with status 200), or one of

    silent   no answer for a minute
    lost     the request is done, but the connection breaks before the answer
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ARTIFACTS = "/api/2.0/mlflow-artifacts/"

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Faults:
    """MLflow's application, with faults in front of it."""

    def __init__(self, app: Wsgi) -> None:
        self._app = app
        self._faults: list[dict[str, Any]] = []

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path == "/faults":
            self._faults = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            start_response("200 OK", [])
            return [b"{}"]
        for fault in self._faults:
            if (
                re.search(fault["path"], path)
                and re.fullmatch(fault.get("method", ".*"), method)
                and fault.get("times", 1) > 0
                and time.time() < fault.get("until", float("inf"))
            ):
                fault["times"] = fault.get("times", 10**9) - 1
                return self._fail(fault["answer"], environ, start_response)
        return self._app(environ, start_response)

    def _fail(
        self, answer: int | str, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if answer == "lost":
            list(self._app(environ, lambda *_: None))
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        elif answer == "silent":
            time.sleep(60)
        else:  # the request is read, or the client finds a broken connection
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            status = f"{answer} no" if isinstance(answer, int) else "200 OK"
            start_response(status, [("content-type", "text/html")])
            return [b"<html>" if isinstance(answer, int) else answer.encode()]
        return []


def serve(port: int, folder: Path) -> None:
    """Serve a store in a folder until the process is killed."""
    os.environ |= {
        "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{folder}/mlflow.db",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / "artifacts"),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
    }
    from mlflow.server import app
    from mlflow.server.handlers import initialize_backend_stores
    from werkzeug.serving import make_server

    initialize_backend_stores(f"sqlite:///{folder}/mlflow.db", None, "mlflow-artifacts:/")
    make_server("127.0.0.1", port, Faults(app), threaded=True).serve_forever()


class FaultyServer:
    """The server in a process of its own, as a test sees it.

    Attributes:
        uri: Its address.
        folder: Where its store is.
    """

    def __init__(self, uri: str, folder: Path) -> None:
        self.uri = uri
        self.folder = folder

    def fail(self, *faults: dict[str, Any]) -> None:
        """Set the faults, in place of those before."""
        request = urllib.request.Request(  # noqa: S310
            f"{self.uri}/faults", json.dumps(faults).encode(), method="POST"
        )
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310


@contextmanager
def faulty_server(folder: Path) -> Iterator[FaultyServer]:
    """Run the server while the block runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", __name__, str(port), str(folder)]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if server.poll() is not None:
                raise RuntimeError((folder / "server.log").read_text())
            time.sleep(0.2)
        yield FaultyServer(f"http://127.0.0.1:{port}", folder)
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
