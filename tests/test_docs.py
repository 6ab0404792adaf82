"""The commands of the documents work: each is run, shrunk, in a folder with the files it needs."""

import re
import runpy
import shlex
import subprocess
from itertools import groupby
from pathlib import Path

import pytest

from tests.helpers.commands import ROOT, Command
from tests.helpers.docs import (
    DOCS,
    NO_ZSH,
    REVIEWS,
    ZSH,
    arguments_of,
    blocks,
    expand,
    is_sweep,
    shrink,
)

COMMANDS = [
    arguments_of(line) for block in blocks(ROOT / "README.md") for line in block if is_sweep(line)
]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
PROGRAM = re.compile(r"(PYTHONPATH=docs/examples )?(python sweep\.py|rnnexp|optuna|mlflow)\s")
TUTORIAL = blocks(DOCS / "tutorial.md")


def test_there_are_commands_to_run() -> None:
    assert len(COMMANDS) >= 8
    assert len(TUTORIAL) >= 30


@pytest.mark.slow
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_command_of_the_readme(command: Command, tmp_path: Path, arguments: list[str]) -> None:
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text(REVIEWS)
    ended = command(*shrink(arguments), path=tmp_path, tiny=False)
    assert ended.code == 0, ended.err


def test_the_korean_tutorial_has_the_same_commands() -> None:
    assert blocks(DOCS / "tutorial.ko.md") == TUTORIAL


@pytest.mark.slow
@pytest.mark.parametrize("block", TUTORIAL, ids=lambda block: block[-1])
def test_commands_of_the_tutorial(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: list[str]
) -> None:
    monkeypatch.syspath_prepend(DOCS / "examples")
    for sweeps, lines in groupby(block, key=is_sweep):
        if not sweeps:  # files are written
            subprocess.run(["bash", "-euc", "\n".join(lines)], cwd=tmp_path, check=True)  # noqa: S607
            continue
        for line in lines:
            ended = command(*shrink(arguments_of(line)), path=tmp_path, tiny=False)
            assert ended.code == 0, ended.err


def commands_of(document: Path) -> list[str]:
    """Return each line of a document, in a block or in the text, that runs a program of ours."""
    text = re.sub(r"```(?!sh\n).*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = [line for block in blocks(document) for line in block if PROGRAM.match(line)]
    inline = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    found += [code for code in re.findall(r"`([^`]+)`", inline) if PROGRAM.match(code)]
    return [line for line in found if not set(line) & set("<>|&;…") and "..." not in line]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_command_means_the_same_in_each_shell(document: Path) -> None:
    for line in commands_of(document):
        words = expand(line)
        if "$" not in line:
            assert list(words) == shlex.split(line.removeprefix("PYTHONPATH=docs/examples "))[1:]
        if ZSH:
            assert expand(line, "zsh") == words
    if not ZSH:
        pytest.skip(NO_ZSH)


def test_a_command_that_shells_read_in_another_way_is_found() -> None:
    assert expand("python a={0:1,1:2}") == ("a=0:1", "a=1:2")
    with pytest.raises(AssertionError, match="no match"):
        expand("python callbacks=[a,b]")


def test_the_plot_of_the_tutorial(tmp_path: Path) -> None:
    main = runpy.run_path(str(DOCS / "plots" / "crossentropy.py"))["main"]
    main([str(tmp_path / "plot.png")])
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_every_path_in_the_documents_exists() -> None:
    for document in (ROOT / "README.md", *DOCS.rglob("*.md")):
        text = document.read_text(encoding="utf-8")
        linked = re.findall(r"\]\((?!http|#)([^)]+)\)", text)
        named = re.findall(r"\b(?:rnnexp|hydra_plugins|benchmarks|sweeps|conf)/[\w/]+\.\w+", text)
        for path in linked:
            assert (document.parent / path).exists(), path
        for path in named:
            assert (ROOT / path).exists(), path
