"""The checks of a sweep whose trials run on other machines: what they all have to see."""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from rnnexp.errors import ConfigError
from rnnexp.execution.launching import Jobs
from rnnexp.storage.uris import folder_of, is_server, sqlite_file
from rnnexp.sweep.settings import SweepSettings

log = logging.getLogger(__name__)


def host_problems(
    settings: SweepSettings, files: Mapping[str, str], jobs: Jobs
) -> tuple[list[str], bool]:
    """Look for the sweep's folder and files on the machines of its workers.

    Args:
        settings: The sweeper's settings.
        files: The files that trials read; see `rnnexp.identity.named_files`.
        jobs: The launcher's jobs, connected.

    Returns:
        Why the trials of the sweep can't run there, and whether the trials upload their backups,
        since not all machines see the sweep's folder.
    """
    problems: list[str] = []
    try:
        sent = jobs.send(list(files))
    except ConfigError as error:
        problems, sent = list(error.problems), list(files)
    unseen = jobs.unseen(list(files))
    if not unseen:
        return problems, False
    hosts = _named(list(unseen))
    for given, why, server in file_stores(settings):
        problems.append(f"{given}: trials also run on {hosts}{why}; give {server}")
    has_blind = bool(blind := _blind(settings.sweep_dir, jobs))
    if has_blind and not is_server(settings.tracker().uri):
        problems.append(
            f"hydra.sweep.dir={settings.sweep_dir}: {_named(blind)} can't see the folder, where "
            "trials have their backups; give a folder on storage that all machines share, or an "
            "MLflow server as tracking.uri, such as http://HOST:5000, which has the backups then"
        )
    elif has_blind:
        folder = settings.sweep_dir
        log.info("%s can't see %s: trials upload their backups to MLflow", _named(blind), folder)
    if (artifacts := settings.artifact_folder()) and (blind := _blind(artifacts, jobs)):
        problems.append(
            f"tracking.uri={settings.tracker().uri}: MLflow lets each machine write artifacts to "
            f"{artifacts}, which {_named(blind)} can't see; start the server with "
            "--serve-artifacts, and give a new tracking.experiment"
        )
    for path, key in files.items():
        blind = [host for host, paths in unseen.items() if path in paths]
        if blind and path not in sent:
            problems.append(
                f"{key}={path}: the file is not on {_named(blind)}; put it there under the same "
                "path, or on storage that all machines share, or give "
                "hydra.launcher.send_data=true to send it along"
            )
    return problems, has_blind


def _blind(folder: Path, jobs: Jobs) -> list[str]:
    """Return the machines that don't see a folder, by a file that is made there and removed."""
    try:
        mark = tempfile.NamedTemporaryFile(dir=_first_existing(folder))  # noqa: SIM115
    except OSError:  # other checks report a folder that can't be written
        return []
    with mark:
        return [host for host, paths in jobs.unseen([mark.name]).items() if paths]


def file_stores(settings: SweepSettings) -> list[tuple[str, str, str]]:
    """Return the stores of a sweep that are files, so that one machine alone can use them.

    Args:
        settings: The sweeper's settings.

    Returns:
        Of each store: how it was given, why it can't be shared, and what could be.
    """
    found = []
    if sqlite_file(settings.storage):
        given = f"hydra.sweeper.storage={settings.given_storage}"
        server = "a database server, such as postgresql+psycopg://USER@HOST/DATABASE"
        found.append((given, ", and a SQLite file is safe on one machine alone", server))
    uri = settings.tracker().uri
    if sqlite_file(uri) or folder_of(uri):
        found.append((f"tracking.uri={uri}", "", "an MLflow server, such as http://HOST:5000"))
    return found


def _first_existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.is_dir())


def _named(hosts: Sequence[str]) -> str:
    return ", ".join(sorted(hosts))
