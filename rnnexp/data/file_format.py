"""What a config says of the form of files: names of columns, encoding, separator."""

import codecs
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from rnnexp.data import table_files
from rnnexp.data.columns import Format
from rnnexp.data.delimited_files import SEPARATORS, TAB


def format_of(
    names: Sequence[object] | None, encoding: str | None, separator: str | None
) -> Format:
    """Return the form of files that ``data.columns``, ``.encoding`` and ``.separator`` say."""
    own = None if names is None else tuple(str(name).strip() for name in names)
    return Format(own, encoding, separator_of(separator))


def given(form: Format) -> dict[str, object]:
    """Return what is said of the form of files, without what the files themselves say."""
    return {name: value for name, value in asdict(form).items() if value is not None}


def separator_of(separator: str | None) -> str | None:
    """Return a separator as a character."""
    return "\t" if separator in (TAB, "\\t") else separator


def format_problems(
    names: Sequence[object] | None,
    encoding: object,
    separator: object,
    files: Iterable[Path],
) -> list[str]:
    """Return what is wrong with the settings of the form of files.

    Args:
        names: ``data.columns``.
        encoding: ``data.encoding``.
        separator: ``data.separator``.
        files: The files that they are for.
    """
    problems = []
    kinds = {kind for file in files if (kind := table_files.kind(file))}
    if names is not None:
        given = [str(name).strip() for name in names] if not isinstance(names, str) else []
        if not given or len(set(given)) < len(given):
            problems.append(
                f"data.columns={names}: give the names of all columns in their order, each once, "
                "such as [label,text]"
            )
        if named := kinds - {*SEPARATORS, ".xlsx"}:
            problems.append(f"data.columns={list(names)}: {_shown(named)} files have names already")
    if encoding is not None and not _is_known(encoding):
        problems.append(
            f"data.encoding={encoding}: Python knows no such encoding of texts; give one such as "
            "utf-8, cp1252 or cp949"
        )
    if separator is not None:
        character = separator_of(separator) if isinstance(separator, str) else None
        if character is None or len(character) != 1 or character in '"\r\n':
            problems.append(f"data.separator={separator!r}: must be one character, or {TAB}")
        if others := kinds - {*SEPARATORS}:
            problems.append(f"data.separator={separator!r}: {_shown(others)} files have none")
    return problems


def _is_known(encoding: object) -> bool:
    try:
        return isinstance(encoding, str) and codecs.lookup(encoding)._is_text_encoding
    except LookupError:
        return False


def _shown(kinds: Iterable[str]) -> str:
    return " and ".join(sorted(kinds))
