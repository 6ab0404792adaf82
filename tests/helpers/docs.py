"""The commands in the documents, read and shrunk so that a test can run them."""

import re
import shlex
from pathlib import Path

from tests.helpers.commands import EAGER, ROOT

DOCS = ROOT / "docs"
REVIEWS = "review,sentiment\n" + "".join(
    f"a good film {n},positive\na bad film {n},negative\n" for n in range(10)
)
SWEEP = re.compile(r"(?:PYTHONPATH=docs/examples )?python sweep\.py\b")


def blocks(document: Path) -> list[list[str]]:
    """Return the lines of each block of commands in a document."""
    text = document.read_text(encoding="utf-8")
    return [block.splitlines() for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)]


def is_sweep(line: str) -> bool:
    """Return whether a line runs ``sweep.py``."""
    return SWEEP.match(line) is not None


def arguments_of(line: str) -> list[str]:
    """Return the arguments of a line that runs ``sweep.py``."""
    return shlex.split(line[line.index("sweep.py") :])[1:]


def shrink(arguments: list[str]) -> list[str]:
    """Return arguments of ``sweep.py`` with overrides that make training take a second."""
    extra = [] if "data=table" in arguments else ["data.n_train=60", "data.n_test=20"]
    needs_more = ("fit.initial_epoch=", "fit.validation_freq=")
    if not any(text.startswith(needs_more) for text in arguments):
        extra.append("fit.epochs=1")
    if "-m" in arguments:
        extra.append("hydra.sweeper.n_trials=1")
    return [*arguments, *extra, EAGER]
