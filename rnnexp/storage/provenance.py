"""What a run was made with: versions, machine, the application's commit. None of it can fail a run.

A process looks its versions and its machine up once. Git is asked once a sweep: `git_of` looks, and
the study carries what it found to the jobs.
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
    MLFLOW_GIT_COMMIT,
    MLFLOW_SOURCE_NAME,
    MLFLOW_SOURCE_TYPE,
    MLFLOW_USER,
)
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnexp import __version__
from rnnexp.cores import available_cores

ENVIRONMENT, DIFF = "environment.json", "uncommitted.diff"  # artifacts
GIT = "git"  # user attribute of a study: the application's commit, see `Git.state`
LARGEST_DIFF = 100_000  # characters
SECONDS = 10.0  # git may take, on a file system that is slow


@dataclass(frozen=True)
class Git:
    """The application's folder as git has it.

    Attributes:
        commit: The commit that is checked out.
        dirty: Whether files that git knows were changed since. Files that it doesn't know
            don't count: what a sweep writes would be among them.
        diff: What was changed, at most 100,000 characters of it.
    """

    commit: str
    dirty: bool
    diff: str = ""

    @property
    def state(self) -> dict[str, Any]:
        """Commit and dirty, as JSON."""
        return {"commit": self.commit, "dirty": self.dirty}


def git_of_application() -> Git | None:
    """Of the script's folder, else of the folder that it was started in."""
    return git_of(script().parent) or git_of(Path(to_absolute_path(".")))


def git_of(folder: Path) -> Git | None:
    """The state of a folder; None without git, or outside of a repository."""
    try:
        commit = _git(folder, "rev-parse", "HEAD").strip()
        status = _git(folder, "status", "--porcelain", "--untracked-files=no")
        dirty = bool(status.strip())
        diff = _git(folder, "diff", "HEAD", "--no-ext-diff", "--no-color") if dirty else ""
    except (OSError, subprocess.SubprocessError):
        return None
    if len(diff) > LARGEST_DIFF:
        cut = f"\n[cut here: the whole diff has {len(diff)} characters]\n"
        diff = diff[: LARGEST_DIFF - len(cut)] + cut
    return Git(commit, dirty, diff)


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603
        ["git", "-C", str(folder), *arguments],  # noqa: S607
        check=True, capture_output=True, timeout=SECONDS, encoding="utf-8", errors="replace",
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},  # only look
    )  # fmt: skip
    return done.stdout


def script() -> Path:
    """The file that was started, also in a worker."""
    return Path(to_absolute_path(sys.argv[0] if sys.argv else "."))


def environment(git: Mapping[str, Any] | None) -> str:
    """The content of ``environment.json``.

    Args:
        git: As from `Git.state`; None if there is none.
    """
    found = {"python": platform.python_version(), "packages": packages(), "machine": _machine()}
    return json.dumps(found | {"threads": _threads(), "git": git}, indent=1)


@cache
def packages() -> dict[str, str]:
    """The versions of this project and of what it depends on, by name."""
    found = {"rnnexp": __version__}
    try:
        needed = metadata.requires("rnnexp") or []
    except metadata.PackageNotFoundError:  # a folder on the path, not installed
        needed = []
    for requirement in needed:
        name = re.match(r"[\w.-]+", requirement)
        if name and "extra ==" not in requirement:
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


def _threads() -> int:
    """How many threads TensorFlow uses for an operation in this process."""
    given = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    return int(given) if given.isdecimal() and int(given) else len(available_cores())


@cache
def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user without a name, as in some containers
        return None


def fact_tags(
    config: DictConfig, direction: str, git: Mapping[str, Any] | None
) -> dict[str, object]:
    """Tags that every run has; MLflow's own names where it has them.

    Args:
        config: The application's config.
        direction: Of a study, ``minimize`` or ``maximize``.
        git: As from `Git.state`; None if there is none.
    """
    tags = {
        "rnnexp.version": __version__,
        "objective": _objective(config, direction),
        "seed": _selected(config, "seed"),
        MLFLOW_USER: _user(),
        MLFLOW_SOURCE_NAME: script(),
        MLFLOW_SOURCE_TYPE: "LOCAL",
        MLFLOW_GIT_COMMIT: git and git["commit"],
        "git.dirty": git and str(git["dirty"]).lower(),
    }
    return {name: value for name, value in tags.items() if value is not None}


def _objective(config: DictConfig, direction: str) -> str:
    """As ``min val_loss``; ``min value`` if the application's config has no objective."""
    mode, monitor = (_selected(config, f"objective.{key}") for key in ("mode", "monitor"))
    return f"{mode} {monitor}" if mode and monitor else f"{direction[:3]} value"


def _selected(config: DictConfig, key: str) -> Any:
    try:
        return OmegaConf.select(config, key)
    except OmegaConfBaseException:  # such as an interpolation that leads nowhere
        return None
