import subprocess
import sys
from copy import deepcopy
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from tests.helpers.commands import ROOT


def test_help_imports_neither_tensorflow_nor_mlflow(tmp_path: Path) -> None:
    code = (
        "import runpy, sys\n"
        f"sys.argv = [{str(ROOT / 'sweep.py')!r}, '--help']\n"
        "try:\n"
        "    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "finally:\n"
        "    print('IMPORTED', *sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    imported = set(ended.stdout.rpartition("IMPORTED")[2].split())
    assert "hydra" in imported
    assert not imported & {"tensorflow", "jax", "keras", "mlflow", "optuna", "pandas"}
    for group in ("callbacks", "compile", "data", "fit", "model", "pruner", "sampler", "sweeps"):
        assert f"\n{group}: " in ended.stdout


def test_a_sweep_imports_nothing_that_only_workers_and_reports_need() -> None:
    code = "import sys, rnnexp.sweep.run_sweep; print('IMPORTED', *sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    imported = set(ended.stdout.split())
    assert "optuna" in imported
    assert not imported & {"tensorflow", "keras", "sklearn", "plotly", "matplotlib"}


SET_UP = """
import sys
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.types import HydraContext, RunMode

with initialize_config_dir(sys.argv[1], version_base="1.3", job_name="sweep"):
    hydra = GlobalHydra.instance().hydra
    given = ["hydra/launcher=in_process"]
    config = hydra.compose_config("config", given, run_mode=RunMode.MULTIRUN)
    Plugins.instance().instantiate_sweeper(
        hydra_context=HydraContext(config_loader=hydra.config_loader, callbacks=None),
        task_function=print,
        config=config,
    )
    print("IMPORTED", *sys.modules)
"""


def test_the_workers_start_before_the_sweep_imports_what_takes_long() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SET_UP, str(ROOT / "conf")],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    imported = set(ended.stdout.split())
    assert "rnnexp.execution.executors" in imported
    assert not imported & {"mlflow", "optuna", "sqlalchemy", "pandas"}


def test_hydra_does_not_copy_its_store_of_configs() -> None:
    Plugins.instance()  # imports those of this project
    store = ConfigStore.instance()
    assert deepcopy(store) is store
    assert (
        store.load("hydra/sweeper/rnnexp.yaml").node
        is not store.load("hydra/sweeper/rnnexp.yaml").node
    )


def test_the_message_on_an_unknown_sweep_file_lists_the_known_files(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, ROOT / "sweep.py", "-m", "sweeps=nothing"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "Could not find 'sweeps/nothing'" in ended.stderr
    assert "default" in ended.stderr
