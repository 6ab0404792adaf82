"""What Hydra doesn't tell of unknown names on the command line: which known ones are near."""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from omegaconf import OmegaConf

PLAIN = re.compile(r"([a-z_]+)=(.*)")  # no + or ~ in front, no dot in the name
NAMES = re.compile(r"\[([^\[\]{}]*)\]|(\w+)")  # [a,b], or a

# Of Hydra itself, and of the folder beside conf/.
OTHERS = ("hydra", "sweeps")


def unknown_choices(arguments: Sequence[str], conf: Path) -> str | None:
    """What is wrong with the groups and choices on a command line; None if nothing.

    Hydra itself says what there is instead of an unknown choice, but neither which is meant nor
    anything at all of one in a list, such as ``callbacks=[...]``, where one may even stand twice.

    Args:
        arguments: The command line's arguments.
        conf: The folder with ``config.yaml`` and a folder for each group of choices.
    """
    return "\n".join(_problems(arguments, conf)) or None


def _problems(arguments: Sequence[str], conf: Path) -> Iterator[str]:
    groups = {folder.name: folder for folder in conf.iterdir() if folder.is_dir()}
    keys = [str(key) for key in OmegaConf.load(conf / "config.yaml") if key != "defaults"]
    for key, value in (match.groups() for match in map(PLAIN.fullmatch, arguments) if match):
        if key in groups:
            yield from _unknown(key, value, groups[key])
        elif key not in (*keys, *OTHERS):
            known = sorted({*groups, *keys, *OTHERS})
            yield f"{key}={value}: there is no {key}; {_near(key, known)}"


def _unknown(group: str, value: str, folder: Path) -> Iterator[str]:
    match = NAMES.fullmatch(value)
    if not match or value == "null":
        return
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    names = [text.strip() for text in (match[1] or match[2] or "").split(",") if text.strip()]
    for name in dict.fromkeys(names):
        if name not in known:
            yield f"{group}: there is no {name}; {_near(name, known)}"
        elif names.count(name) > 1:
            yield f"{group}: {name} stands there {names.count(name)} times; once is enough"


def _near(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return f"{hint}There are {', '.join(known)}"
