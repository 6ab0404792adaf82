"""compose.yaml, without an engine: it is valid, and its programs take the options that it gives."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from distributed.cli import dask_scheduler, dask_worker
from hydra.core.override_parser.overrides_parser import OverridesParser

from tests.helpers.commands import ROOT

FILE = ROOT / "compose.yaml"
CONFIG: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = CONFIG["services"]


def test_it_is_valid() -> None:
    pytest.importorskip("check_jsonschema")
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*check, str(FILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_services_name_is_there() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)
        volumes = (
            {volume.partition(":")[0] for volume in service["volumes"]}
            if ("volumes" in service)
            else set()
        )
        assert volumes <= set(CONFIG["volumes"])
        assert {each["source"] for each in service.get("configs", ())} <= set(CONFIG["configs"])
    copied = re.findall(r"COPY (.*) \S+\n", CONFIG["x-rnnexp"]["build"]["dockerfile_inline"])
    for path in " ".join(copied).split():
        assert Path(ROOT, path).exists(), path


def test_programs_take_their_options() -> None:
    mlflow = pytest.importorskip("mlflow.cli").cli.commands
    programs: dict[str, click.Command] = {
        "mlflow server": mlflow["server"],
        "dask scheduler": dask_scheduler.main,
        "dask worker": dask_worker.main,
    }
    for name in ("mlflow", "scheduler", "worker"):
        program, command, *arguments = shlex.split(SERVICES[name]["command"])
        context = programs[f"{program} {command}"].make_context(command, arguments)
        assert not context.args
        assert not context.params.get("preload_argv")  # where Dask puts what it does not know


def test_the_sweep_uses_the_other_services() -> None:
    program, *arguments = shlex.split(SERVICES["sweep"]["entrypoint"])
    assert [program, *arguments[:2]] == ["python", "sweep.py", "-m"]
    overrides = OverridesParser.create().parse_overrides(arguments[2:])
    given = {override.key_or_group: str(override.value()) for override in overrides}
    assert given.pop("hydra/launcher") == "dask"
    for name in ("mlflow", "worker", "sweep"):
        assert "PGPASSWORD" in SERVICES[name]["environment"]
    hosts = {re.search(r"//(?:\w+@)?(\w+)", url)[1] for url in given.values()}  # type: ignore[index]
    assert hosts == {"scheduler", "postgres", "mlflow"}
    assert f"{given['tracking.uri'].removeprefix('http://')}," in SERVICES["mlflow"]["command"]
    # The folders of the trials, where both have them.
    assert set(SERVICES["sweep"]["volumes"]) == set(SERVICES["worker"]["volumes"])
