"""Every command of docs/howto works: each page is run from top to bottom, shrunk, in a folder."""

import os
import shlex
import signal
import subprocess
from itertools import groupby
from pathlib import Path
from socket import socket

import pytest
from click.testing import CliRunner

from rnnexp.cli import main
from tests.helpers.commands import EAGER, Command
from tests.helpers.docs import DOCS, REVIEWS, arguments_of, blocks, expand, is_sweep, shrink

PAGES = sorted((DOCS / "howto").glob("*.md"))
TIMEOUT = 300  # seconds, for the commands of a block


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: Path
) -> None:
    monkeypatch.syspath_prepend(DOCS / "examples")
    monkeypatch.syspath_prepend(tmp_path)  # as `python sweep.py` does with its folder
    monkeypatch.chdir(tmp_path)
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text(REVIEWS)
    found = blocks(page)
    assert found
    for block in found:
        for program, lines in groupby(block, key=program_of):
            if program == "shell":
                shell("\n".join(lines), tmp_path)
                continue
            for line in lines:
                if program == "sweep":
                    arguments = shrink_unless_given(arguments_of(line))
                    ended = command(*arguments, path=tmp_path, tiny=False)
                    assert ended.code == 0, ended.err
                else:
                    result = CliRunner().invoke(main, list(expand(line)))
                    assert result.exit_code == 0, f"{line}\n{result.output}"


def program_of(line: str) -> str:
    """Return what runs a line; the project's own programs run in this process, to save imports."""
    if is_sweep(line):
        return "sweep"
    return (
        "rnnexp"
        if line.startswith("rnnexp ") and not set(shlex.split(line)) & set("|>;&")
        else "shell"
    )


def shrink_unless_given(arguments: list[str]) -> list[str]:
    """Shrink a command as in the other documents, except where the page itself gives a size."""
    given = {text.partition("=")[0] for text in arguments}
    extra = shrink(arguments)[len(arguments) :]
    if "data.n_train" in given:
        extra.remove(EAGER)  # this number of steps takes longer than a graph
    return [*arguments, *(text for text in extra if text.partition("=")[0] not in given)]


def shell(script: str, folder: Path) -> None:
    """Run commands as written, but on a free port, and stop every process that they start."""
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        script = script.replace("5001", str(free.getsockname()[1]))
    with (
        (folder / "shell.log").open("w+") as log,
        subprocess.Popen(
            ["bash", "-euc", script],  # noqa: S607
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as process,
    ):
        try:
            code = process.wait(TIMEOUT)
        finally:
            if is_alive(process.pid):
                os.killpg(process.pid, signal.SIGKILL)
        log.seek(0)
        assert code == 0, f"{script}\n{log.read()}"


def is_alive(group: int) -> bool:
    """Return whether any process of a group is alive."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
