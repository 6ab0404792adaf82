"""Fixtures: the real config, shrunk until a trial takes a second."""

import io
import runpy
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import absl.logging
import mlflow.store.db.utils
import optuna
import pytest
import sqlalchemy
from hydra import compose, initialize_config_dir
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from omegaconf import DictConfig

from rnnexp.library_defaults import set_library_defaults

set_library_defaults()

ROOT = Path(__file__).parents[1]
TINY = (
    "data.n_train=120",
    "data.n_test=40",
    "data.maxlen=8",
    "model.embedding_size=4",
    "model.units=4",
    "fit.epochs=2",
)
# For commands that only have to run: a graph costs more than a tiny training.
EAGER = "+compile.run_eagerly=true"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kills", type=int, default=2, help="how often each fault test kills; 20 is the full test"
    )


@dataclass
class Ended:
    """A command that has ended, and the folder that it was started in."""

    path: Path
    code: int
    out: str
    err: str

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(f"sqlite:///{self.path}/mlflow.db")

    def runs(self, experiment: str = "rnnexp") -> list[Run]:
        """The study's run first, then its trials by number."""
        found = self.client.get_experiment_by_name(experiment)
        runs = self.client.search_runs([found.experiment_id])
        return sorted(runs, key=lambda run: int(run.data.tags.get("trial", -1)))

    def study(self, name: str | None = None) -> optuna.Study:
        return optuna.load_study(study_name=name, storage=f"sqlite:///{self.path}/optuna.db")

    def files(self) -> set[str]:
        return {file.name for file in self.path.iterdir()}


Command = Callable[..., Ended]


@pytest.fixture(autouse=True, scope="session")
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(tmp_path_factory.mktemp("start"))  # where MLflow's artifacts go by default
        # Hydra closes all handlers when it sets up logging, and absl's, which TensorFlow
        # brings along, then closes a stream that is pytest's.
        patch.setattr(absl.logging.get_absl_handler().python_handler, "stream", sys.__stderr__)
        yield


@pytest.fixture(autouse=True, scope="session")
def _tables_are_made_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """MLflow makes a new file's tables by all its migrations, which takes a second: copy them."""
    utils = mlflow.store.db.utils
    make, made = utils._initialize_tables, tmp_path_factory.mktemp("tables") / "mlflow.db"

    def copy(source: str, target: str) -> None:
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)

    def initialize(engine: sqlalchemy.Engine) -> None:
        file = engine.url.database
        if engine.dialect.name != "sqlite" or not file or not utils._is_empty_database(engine):
            make(engine)
        elif made.exists():
            copy(str(made), file)
        else:
            make(engine)
            copy(file, str(made))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "_initialize_tables", initialize)
        yield


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Runs ``python sweep.py ...`` in this process, in a new folder or a given one.

    A process of its own would spend ten seconds on importing TensorFlow.
    """

    def run(
        *arguments: str,
        path: Path | None = None,
        tiny: bool = True,
        script: Path = ROOT / "sweep.py",
    ) -> Ended:
        flags = [argument for argument in arguments if argument.startswith("-")]
        fixed = [*(TINY if tiny else ())]
        if not any(text.startswith("hydra/launcher=") for text in arguments):
            fixed.append("hydra/launcher=in_process")
        overrides = [*fixed, *(text for text in arguments if text not in flags)]
        path = path or tmp_path_factory.mktemp("folder")
        out, err, code = io.StringIO(), io.StringIO(), 0
        with (
            pytest.MonkeyPatch.context() as patch,
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            patch.chdir(path)
            patch.setattr(sys, "argv", [script.name, *flags, *overrides])
            try:
                runpy.run_path(str(script), run_name="__main__")
            except SystemExit as end:
                if isinstance(end.code, str):  # as Python does by itself
                    err.write(end.code)
                code = 1 if isinstance(end.code, str) else int(end.code or 0)
        return Ended(path, code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="session")
def app(command: Command) -> Command:
    """Runs docs/examples/app.py, which has no Keras in it: a trial takes a tenth of a second."""
    return partial(command, tiny=False, script=ROOT / "docs" / "examples" / "app.py")


@pytest.fixture
def composed() -> Callable[..., DictConfig]:
    """Composes the real config, shrunk, with overrides."""

    def make(*overrides: str) -> DictConfig:
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            return compose("config", overrides=[*TINY, *overrides])

    return make
