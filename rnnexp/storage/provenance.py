"""Provenance of a run: versions, machine, the application's commit. No error here fails a run.

A process looks up its versions and its machine once. Git is asked once a sweep: the study carries
the commit to the jobs.
"""

import getpass
import json
import os
import platform
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
from hydra.utils import to_absolute_path
from mlflow.utils.mlflow_tags import (
    MLFLOW_SOURCE_NAME,
    MLFLOW_SOURCE_TYPE,
    MLFLOW_USER,
)
from omegaconf import DictConfig

from rnnexp import gpus
from rnnexp.cores import WORKER, available_cores
from rnnexp.objective import Objective, value_in
from rnnexp.storage.schema import Tags
from rnnexp.version import __version__

MAX_DIFF = 100_000  # characters
GIT_TIMEOUT = 10.0  # seconds, on a slow file system


@dataclass(frozen=True)
class Git:
    """The application's folder in git.

    Attributes:
        commit: The commit that is checked out.
        dirty: Whether tracked files were changed since. Untracked files don't count, since the
            files that a sweep writes are among them.
        diff: The changes, cut at 100,000 characters.
    """

    commit: str
    dirty: bool
    diff: str = ""

    @property
    def state(self) -> dict[str, Any]:
        """Return ``commit`` and ``dirty``, as JSON can hold them."""
        return {"commit": self.commit, "dirty": self.dirty}


def git_of_application() -> Git | None:
    """Return the git state of the script's folder, else of the folder it was started in."""
    return git_of(script().parent) or git_of(Path(to_absolute_path(".")))


def git_of(folder: Path) -> Git | None:
    """Return the git state of a folder; None without git, or outside of a repository."""
    try:
        commit = _git(folder, "rev-parse", "HEAD").strip()
        status = _git(folder, "status", "--porcelain", "--untracked-files=no")
        dirty = bool(status.strip())
        diff = _git(folder, "diff", "HEAD", "--no-ext-diff", "--no-color") if dirty else ""
    except (OSError, subprocess.SubprocessError):
        return None
    if len(diff) > MAX_DIFF:
        cut = f"\n[cut here: the whole diff has {len(diff)} characters]\n"
        diff = diff[: MAX_DIFF - len(cut)] + cut
    return Git(commit, dirty, diff)


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603
        ["git", "-C", str(folder), *arguments],  # noqa: S607
        check=True, capture_output=True, timeout=GIT_TIMEOUT, encoding="utf-8", errors="replace",
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},  # read only
    )  # fmt: skip
    return done.stdout


def script() -> Path:
    """Return the script that was started, also in a worker."""
    return Path(to_absolute_path(sys.argv[0] if sys.argv else "."))


def environment(git: Mapping[str, Any] | None) -> str:
    """Return the content of ``environment.json``.

    Args:
        git: The commit, as from `Git.state`; None if it is not known.
    """
    found = {"python": platform.python_version(), "packages": packages(), "machine": _machine()}
    return json.dumps(found | {"threads": threads(), "git": git}, indent=1)


@cache
def packages() -> dict[str, str]:
    """Return the versions of this project and of its dependencies, by name."""
    found = {"rnnexp": __version__}
    try:
        needed = metadata.requires("rnnexp") or []
    except metadata.PackageNotFoundError:  # a folder on the path that is not installed
        needed = []
    for requirement in needed:
        name = re.match(r"[\w.-]+", requirement)
        if name and ("extra ==" not in requirement or "extra == 'jax'" in requirement):
            try:
                found[name[0]] = metadata.version(name[0])
            except metadata.PackageNotFoundError:
                continue
    return found


@cache
def _machine() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
    }


def threads() -> int:
    """Return the number of threads that TensorFlow uses for an operation in this process."""
    given = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    return int(given) if given.isdecimal() and int(given) else len(available_cores())


@cache
def user() -> str | None:
    """Return the name of who runs this process; None if the user has no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # as in some containers
        return None


def provenance_tags(
    config: DictConfig, objective: Objective, git: Mapping[str, Any] | None
) -> dict[str, object]:
    """Return the tags that every run has, under MLflow's own names where MLflow has one.

    Args:
        config: The application's config.
        objective: What the run's best value is of.
        git: The commit, as from `Git.state`; None if it is not known.
    """
    tags = {
        Tags.VERSION: __version__,
        Tags.OBJECTIVE: objective,
        Tags.SEED: value_in(config, "seed"),
        Tags.BACKEND: value_in(config, "backend"),
        Tags.HOST: socket.gethostname(),
        Tags.WORKER: os.environ.get(WORKER),
        Tags.DEVICE: gpus.device(),
        MLFLOW_USER: user(),
        MLFLOW_SOURCE_NAME: script(),
        MLFLOW_SOURCE_TYPE: "LOCAL",
        Tags.COMMIT: git and git["commit"],
        Tags.DIRTY: git and str(git["dirty"]).lower(),
    }
    return {name: value for name, value in tags.items() if value is not None}
