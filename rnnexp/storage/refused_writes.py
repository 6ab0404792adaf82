"""Writes that MLflow has refused: kept in files next to the outboxes, made later if MLflow lets it.

A server may refuse a file that is too large, or a user who may not write artifacts. Once that is
changed, ``rnnexp deliver`` makes the refused writes. What the run has got in the meantime is newer,
and stays.
"""

import json
import shlex
from pathlib import Path

from mlflow.tracking import MlflowClient

from rnnexp.atomic import atomic_write
from rnnexp.errors import one_line
from rnnexp.passwords import for_mlflow
from rnnexp.storage.error_kinds import ErrorKind, kind_of
from rnnexp.storage.locks import locked
from rnnexp.storage.outbox import deliver_all, described, write
from rnnexp.storage.run_contents import unfinished_state
from rnnexp.storage.schema import Files
from rnnexp.storage.trial_folder import lock_of
from rnnexp.storage.write_queue import Entry, read


def refused_files(folder: Path) -> list[Path]:
    """Return the files of refused writes anywhere below a folder."""
    return sorted(folder.rglob("*" + Files.REFUSED))


def undelivered(folder: Path) -> list[tuple[str, str]]:
    """Deliver the queued writes anywhere below a folder.

    Returns:
        What MLflow still lacks, each line with the command for it.
    """
    queued, refused = deliver_all(folder)[1], len(refused_files(folder))
    command = shlex.join(["rnnexp", "deliver", str(folder)])
    lines = []
    if queued:
        lines.append(
            (f"MLflow is unreachable or full, writes of {queued} runs are queued:", command)
        )
    if refused:
        lines.append((f"MLflow has refused writes of {refused} runs. To retry them:", command))
    return lines


def deliver_refused(folder: Path) -> list[str]:
    """Try the refused writes anywhere below a folder again.

    Returns:
        Why writes are still refused, or can't be made any more; empty if all were made.
    """
    problems: list[str] = []
    for file in refused_files(folder):
        with locked(lock_of(file.parent), wait=False) as is_free:
            if is_free and file.exists():
                problems += _deliver(file)
    return problems


def _deliver(file: Path) -> list[str]:
    saved = read(file)
    if not saved:
        return [f"{file} was torn and is set aside"]
    client, run_id = MlflowClient(for_mlflow(saved["uri"])), saved["run_id"]
    problems: list[str] = []
    left: list[Entry] = []
    for entry in saved["entries"]:
        try:
            if late := _without_newer(client, run_id, entry):
                write(client, run_id, late)
        except Exception as error:
            if kind_of(error) is ErrorKind.FATAL and entry["kind"] == "batch":
                raise
            reason = one_line(error)
            is_gone = entry["kind"] == "file" and not Path(entry["path"]).exists()
            if not is_gone:
                left.append(entry | {"refused": reason})
            problems.append(f"run {run_id}: {described(entry)}: {reason}")
    if left:
        atomic_write(file, json.dumps(saved | {"entries": left}) + "\n")
    else:
        file.unlink()
    return problems


def _without_newer(client: MlflowClient, run_id: str, entry: Entry) -> Entry | None:
    """Return a write without what the run has got since; None if nothing is left of it."""
    if entry["kind"] not in ("batch", "end"):
        return entry
    run = client.get_run(run_id)
    if entry["kind"] == "end":
        return entry if unfinished_state(run) else None
    new: Entry = {
        "tags": {k: v for k, v in entry["tags"].items() if k not in run.data.tags},
        "params": {k: v for k, v in entry["params"].items() if k not in run.data.params},
    }
    return entry | new
