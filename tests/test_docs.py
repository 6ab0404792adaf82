"""The README's commands work: each is run, shrunk, in a folder with the files it speaks of."""

import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import ROOT, Command

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line)[2:]
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("python sweep.py")
]
REVIEWS = "review,sentiment\n" + "a good film,positive\na bad film,negative\n" * 10


def shrink(arguments: list[str]) -> list[str]:
    size = ["data.n_train=60", "data.n_test=20"] if "data=table" not in arguments else []
    fast = [f"{key}={value}" for key, value in (("fit.epochs", 1), ("hydra.sweeper.n_trials", 1))]
    return [*arguments, *size, *(fast if "-m" in arguments else fast[:1])]


def test_there_are_commands_to_run() -> None:
    assert len(COMMANDS) >= 8


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_command_of_the_readme(command: Command, tmp_path: Path, arguments: list[str]) -> None:
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text(REVIEWS)
    ended = command(*shrink(arguments), path=tmp_path, tiny=False)
    assert ended.code == 0, ended.err


def test_every_path_in_the_documents_exists() -> None:
    for document in (ROOT / "README.md", ROOT / "docs" / "structure.md"):
        text = document.read_text(encoding="utf-8")
        linked = re.findall(r"\]\((?!http)([^)]+)\)", text)
        named = re.findall(r"\b(?:rnnexp|hydra_plugins|benchmarks|sweeps|conf)/[\w/]+\.\w+", text)
        for path in linked:
            assert (document.parent / path).exists(), path
        for path in named:
            assert (ROOT / path).exists(), path
