"""Options and fixtures: the real config, shrunk until a trial takes a second."""

import gc
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import absl.logging
import pytest

from rnnexp.library_defaults import set_library_defaults
from tests.helpers.commands import ROOT, TINY, Command, Ended, run_here

if TYPE_CHECKING:
    from omegaconf import DictConfig

set_library_defaults()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kills", type=int, default=2, help="how often each fault test kills; 20 is the full test"
    )
    parser.addoption(
        "--seed", type=int, help="seed of the moments at which fault tests kill; random by default"
    )


@pytest.hookimpl(tryfirst=True)  # before xdist reads the number of processes
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Choose which tests run, and in how many processes, unless ``-m`` or ``-n`` is given.

    - ``pytest`` and ``pytest tests/storage``: all but the slow tests, in one process a core.
    - ``pytest tests/test_pruning.py``: all but the slow tests, in this process; each process that
      xdist starts would import TensorFlow.
    - ``pytest tests/test_faults.py::test_a_worker_is_killed``: this test, slow or not, in this
      process.

    So ``-m slow`` runs the slow tests alone, and ``-m ''`` all tests.
    """
    if not any("::" in text for text in config.args) and not any(
        text.startswith("-m") for text in config.invocation_params.args
    ):
        config.option.markexpr = config.option.markexpr or "not slow"
    if hasattr(config, "workerinput"):  # a process that xdist has started
        return
    files = all(Path(text.partition("::")[0]).is_file() for text in config.args)
    if not files and getattr(config.option, "numprocesses", 0) is None:
        config.option.numprocesses = "auto"


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        config.option.seed = config.workerinput["seed"]
    elif config.option.seed is None:
        config.option.seed = random.randrange(10**6)  # noqa: S311


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand the seed to a process of xdist."""
    node.workerinput["seed"] = node.config.option.seed


def pytest_report_header(config: pytest.Config) -> str:
    return f"fault tests: --kills {config.option.kills} --seed {config.option.seed}"


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Find what a slow test has left open in this test, not in whichever one runs next."""
    if item.get_closest_marker("slow"):
        gc.collect()


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


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Runs ``python sweep.py ...`` in this process, in a new folder or a given one."""

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
        return run_here(script, [*flags, *overrides], path or tmp_path_factory.mktemp("folder"))

    return run


@pytest.fixture(scope="session")
def app(command: Command) -> Command:
    """Runs docs/examples/app.py, which has no Keras in it: a trial takes a tenth of a second."""
    return partial(command, tiny=False, script=ROOT / "docs" / "examples" / "app.py")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 MB and 3,000 files."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=40m,nr_inodes=3000", "tmpfs", str(disk)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)  # noqa: S607


@pytest.fixture
def quota(tmp_path: Path) -> Iterator[Path]:
    """A folder whose user may write 20 MB of a disk that has more room."""
    if not (shutil.which("mkfs.btrfs") and shutil.which("btrfs")):
        pytest.skip("btrfs-progs is not installed")
    image, disk = tmp_path / "image", tmp_path / "btrfs"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(120_000_000)
    subprocess.run(["mkfs.btrfs", "-q", image], check=True, capture_output=True)  # noqa: S607
    mount = ["mount", "-o", "loop", str(image), str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    for command in (
        ["quota", "enable", str(disk)], ["subvolume", "create", f"{disk}/small"],
        ["qgroup", "limit", "20m", f"{disk}/small"],
    ):  # fmt: skip
        subprocess.run(["btrfs", *command], check=True, capture_output=True)  # noqa: S607
    yield disk / "small"
    subprocess.run(["umount", "-l", str(disk)], check=True)  # noqa: S607


@pytest.fixture(autouse=True)
def determinism_ends_with_the_test() -> Iterator[None]:
    """Keras has no XLA where TensorFlow is deterministic, as a training of the test has made it."""
    yield
    if "tensorflow" in sys.modules:
        from tensorflow.python.framework import config

        if config.is_op_determinism_enabled():
            config.disable_op_determinism()


@pytest.fixture
def composed() -> "Callable[..., DictConfig]":
    """Composes the real config, shrunk, with overrides."""
    from hydra import compose, initialize_config_dir

    def make(*overrides: str) -> "DictConfig":
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            return compose("config", overrides=[*TINY, *overrides])

    return make
