"""What Hydra doesn't tell: of a list of choices, such as ``callbacks=[...]``, which are unknown."""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

LIST = re.compile(r"([\w/]+)=\[([^\[\]{}]*)\]")


def unknown_choices(arguments: Sequence[str], conf: Path) -> str | None:
    """What is wrong with the lists of choices on a command line; None if nothing.

    Of a single choice Hydra itself says what there is; of one in a list, only that it can't be
    loaded.

    Args:
        arguments: The command line's arguments.
        conf: The folder with a folder for each group of choices.
    """
    return "\n".join(_faults(arguments, conf)) or None


def _faults(arguments: Sequence[str], conf: Path) -> Iterator[str]:
    for argument in arguments:
        match = LIST.fullmatch(argument)
        if not match or not (conf / match[1]).is_dir():
            continue
        known = sorted(file.stem for file in (conf / match[1]).glob("*.yaml"))
        for name in filter(None, (text.strip() for text in match[2].split(","))):
            if name not in known:
                near = get_close_matches(name, known, n=3)
                hint = f"did you mean {' or '.join(near)}? " if near else ""
                yield f"{match[1]}: there is no {name}; {hint}There are {', '.join(known)}"
