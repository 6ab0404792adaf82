"""Hints after what Hydra refuses on a command line: which quotes it needs, which name is near.

Hydra alone knows what it takes: config folders of the user's own, sweeps, its flags. So it speaks
first, and a hint is added where it has refused a command line.
"""

import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any, TextIO, cast

from hydra.errors import (
    CompactHydraException,
    ConfigCompositionException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from rnnexp.formatting import did_you_mean
from rnnexp.search.quoting import can_be_read, for_shell, in_quotes

# Hydra's flags that print something in place of running.
PRINTS = {
    "-sc",
    "--shell-completion",
    "-c",
    "--cfg",
    "-i",
    "--info",
    "-h",
    "--help",
    "--hydra-help",
}
CLASS_WEIGHT = "fit.class_weight"
OBJECTIVE = "objective"


@contextmanager
def hints_on_refusals() -> Iterator[None]:
    """Print a hint below Hydra's message if Hydra ends the process by an error that has one.

    Hydra's advice on stack traces stays where there is a trace, and goes where the message is for a
    person. So does the trace of an error on the command line.

    Where Hydra only prints, as with ``--cfg`` or ``-sc``, a reader that has enough, such as `head`,
    ends the process without a traceback, as it ends other programs.
    """
    stream = sys.stderr
    held = _WithoutAdvice(stream)
    try:
        with _ended_by_its_reader(), redirect_stderr(cast(TextIO, held)):
            yield
    except SystemExit as end:
        error = end.__context__  # on which Hydra called `sys.exit`
        if _is_on_group(error):
            stream.write(f"{error}\n")
        elif not isinstance(error, CompactHydraException):
            stream.write(held.advice)
        if hint := hint_on(error):
            stream.write(f"Hint: {hint}\n")
        raise


class _WithoutAdvice:
    """A stream that holds back what Hydra writes on `HYDRA_FULL_ERROR`, and traces of no use.

    Args:
        stream: The stream.

    Attributes:
        advice: What was held back.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.advice = ""

    def write(self, text: str) -> int:
        """Write a text, or hold it back."""
        if _is_on_group(sys.exc_info()[1]):  # while Hydra prints its trace
            return len(text)
        if "HYDRA_FULL_ERROR=1 for a complete stack trace" not in text:
            return self._stream.write(text)
        self.advice += text
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _ended_by_its_reader() -> Iterator[None]:
    if not PRINTS & set(sys.argv) or not hasattr(signal, "SIGPIPE"):
        yield
        return
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        yield
        sys.stdout.flush()
    finally:
        signal.signal(signal.SIGPIPE, before)


def hint_on(error: BaseException | None) -> str | None:
    """Return what would do in place of what Hydra refused; None if only Hydra's message helps.

    Args:
        error: The error that Hydra has printed.
    """
    if isinstance(error, OverrideParseException):
        return _on_syntax(error.override)
    if isinstance(error, MissingConfigException):
        group, _, name = (error.missing_cfg_file or "").rpartition("/")
        known = error.options or _files_of(group, str(error))
        return did_you_mean(name, known).removeprefix("; ") or None
    if isinstance(error, ConfigCompositionException):
        return _on_objectives(error.__cause__) or _on_unknown_key(error.__cause__)
    if _is_on_group(error):
        return "a config group takes names of its files; 'callbacks=[]' chooses no callbacks"
    return None


def _is_on_group(error: BaseException | None) -> bool:
    """Return whether Hydra refuses the value of a config group, which it does with a trace."""
    return isinstance(error, ValueError) and str(error).startswith("Config group override must be")


def _files_of(group: str, message: str) -> list[str]:
    """Return the choices of a group, which Hydra doesn't list for a name in a list of names.

    Args:
        group: The config group.
        message: Hydra's message, which has the config folders.
    """
    folders = re.findall(r"provider=.*, path=file://(.+)", message)
    return [file.stem for folder in folders for file in Path(folder, group).glob("*.yaml")]


def _on_objectives(cause: BaseException | None) -> str | None:
    """Hydra merges no list of objectives into the config's mapping of one."""
    if not isinstance(cause, OmegaConfBaseException) or cause.full_key != OBJECTIVE:
        return None
    return (
        f"give the first objective as {OBJECTIVE}.monitor and {OBJECTIVE}.mode, and the list of "
        f"the others as {for_shell(OBJECTIVE + '.others=[{monitor:parameters}]')}"
    )


def _on_unknown_key(cause: BaseException | None) -> str | None:
    if not isinstance(cause, OmegaConfBaseException) or cause.key is None:
        return None
    parent = cause.parent_node
    names = [str(name) for name in parent] if isinstance(parent, DictConfig) else []
    return did_you_mean(str(cause.key), names).removeprefix("; ") or None


def _on_syntax(override: str) -> str | None:
    key, equals, value = override.partition("=")
    if not equals:
        return f"{override!r} is not KEY=VALUE, which has no blanks around the ="
    if value.startswith("~/"):
        home = f'"{key}=$HOME/{value.removeprefix("~/")}"'
        return f"~ stands for no folder here; write {home}"
    if written := in_quotes(override):
        return f"the value needs quotes for Hydra within those of the shell: {for_shell(written)}"
    is_dict = value.startswith("{")
    if is_dict or not can_be_read(f"{key}=1"):
        where = "the keys of a dict" if is_dict else "a key"
        hint = f"in {where}, Hydra takes ASCII letters only, and no quotes"
        if key.lstrip("+").startswith(CLASS_WEIGHT):
            weights = for_shell(f"{CLASS_WEIGHT}=[1.0,2.0]")
            hint += f"; weights can also be a list, in the order of the classes: {weights}"
        return hint
    return None
