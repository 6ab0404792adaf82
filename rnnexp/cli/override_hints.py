"""Hints on unknown names on the command line of ``sweep.py``, which Hydra does not give."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from omegaconf import OmegaConf

from rnnexp.formatting import did_you_mean

PLAIN = re.compile(r"([a-z_]+)=(.*)")  # no + or ~ in front, no dot in the name
NAMES = re.compile(r"\[([^\[\]{}]*)\]|(\w+)")  # [a,b], or a

# Names of Hydra itself, and of the folder next to conf/.
OTHERS = ("hydra", "sweeps")


def unknown_choices(arguments: Sequence[str], conf: Path) -> str | None:
    """Return what is wrong with the config groups and choices on a command line.

    On an unknown choice, Hydra lists the choices, but doesn't say which one is near. On a list of
    choices, such as ``callbacks=[...]``, it doesn't report unknown or repeated ones at all.

    Args:
        arguments: The arguments of the command line.
        conf: The folder with ``config.yaml`` and a folder for each group of choices.

    Returns:
        A message of one line per problem; None if there is no problem.
    """
    return "\n".join(_problems(arguments, conf)) or None


def _problems(arguments: Sequence[str], conf: Path) -> Iterator[str]:
    groups = {folder.name: folder for folder in conf.iterdir() if folder.is_dir()}
    keys = [str(key) for key in OmegaConf.load(conf / "config.yaml") if key != "defaults"]
    for key, value in (match.groups() for match in map(PLAIN.fullmatch, arguments) if match):
        if key in groups:
            yield from _choice_problems(key, value, groups[key])
        elif key not in (*keys, *OTHERS):
            yield f"{key}={value}: {_unknown(key, sorted({*groups, *keys, *OTHERS}))}"


def _choice_problems(group: str, value: str, folder: Path) -> Iterator[str]:
    match = NAMES.fullmatch(value)
    if not match or value == "null":
        return
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    names = [text.strip() for text in (match[1] or match[2] or "").split(",") if text.strip()]
    for name in dict.fromkeys(names):
        if name not in known:
            yield f"{group}: {_unknown(name, known)}"
        elif names.count(name) > 1:
            yield f"{group}: {name} is given {names.count(name)} times; give it once"


def _unknown(name: str, known: Sequence[str]) -> str:
    hint = did_you_mean(name, known)
    there_are = " There are" if hint else "; there are"
    return f"there is no {name}{hint}{there_are} {', '.join(known)}"
