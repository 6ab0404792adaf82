"""The commands in the documents, read as a shell reads them, and shrunk for the tests.

A command is expanded by bash, with a function in place of its program, so that what a test runs is
what a reader's shell would run. `expand` does the same with zsh.
"""

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from tests.helpers.commands import EAGER, ROOT

DOCS = ROOT / "docs"
REVIEWS = "review,sentiment\n" + "".join(
    f"a good film {n},positive\na bad film {n},negative\n" for n in range(10)
)
SWEEP = re.compile(r"(?:PYTHONPATH=docs/examples )?python sweep\.py\b")
PROGRAMS = ("python", "rnnexp", "optuna", "mlflow")
# As zsh does, bash ends with an error where a pattern matches no file: `callbacks=[a,b]` is one.
OPTIONS = {"bash": "shopt -s failglob", "zsh": "emulate zsh"}
ZSH = shutil.which("zsh")
NO_ZSH = "zsh is not installed (Debian's package zsh)"


def blocks(document: Path) -> list[list[str]]:
    """Return the lines of each block of commands in a document."""
    text = document.read_text(encoding="utf-8")
    return [block.splitlines() for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)]


def is_sweep(line: str) -> bool:
    """Return whether a line runs ``sweep.py``."""
    return SWEEP.match(line) is not None


def arguments_of(line: str) -> list[str]:
    """Return the arguments of a line that runs ``sweep.py``, as bash passes them."""
    program, *arguments = expand(line)
    assert program == "sweep.py"
    return list(arguments)


@cache
def expand(line: str, shell: str = "bash") -> tuple[str, ...]:
    """Return the arguments that a shell passes to the program of a line.

    Args:
        line: A command that runs one of `PROGRAMS`.
        shell: ``bash`` or ``zsh``.
    """
    printer = "".join(f"{name}() {{ printf '%s\\0' \"$@\"; }}\n" for name in PROGRAMS)
    ended = subprocess.run(
        [shell, "-c", f"{OPTIONS[shell]}\n{printer}{line}"],
        cwd=DOCS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0 and not ended.stderr, f"{shell}: {line}\n{ended.stderr}"
    return tuple(ended.stdout.split("\0")[:-1])


def shrink(arguments: list[str]) -> list[str]:
    """Return arguments of ``sweep.py`` with overrides that make training take a second."""
    extra = [] if "data=table" in arguments else ["data.n_train=60", "data.n_test=20"]
    needs_more = ("fit.initial_epoch=", "fit.validation_freq=")
    if not any(text.startswith(needs_more) for text in arguments):
        extra.append("fit.epochs=1")
    if "-m" in arguments:
        extra.append("hydra.sweeper.n_trials=1")
    return [*arguments, *extra, EAGER]
