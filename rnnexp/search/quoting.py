"""Quotes in overrides: those that Hydra's grammar needs, and those of the shell around them."""

import re
import shlex

from hydra.core.override_parser.overrides_parser import OverridesParser, create_functions
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

# A quoted text; or what is between two marks of Hydra's grammar, in which a dict also has colons.
_PARTS = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\[\]{}(),'"]+|.""", re.DOTALL)
_PARTS_OF_DICT = re.compile(_PARTS.pattern.replace("(),", "(),:"), re.DOTALL)
_SPECIAL_IN_DOUBLE_QUOTES = set('"$`\\!')


def in_quotes(override: str) -> str | None:
    """Return an override that Hydra can't read with the quotes that it needs.

    Without quotes, a value has only ASCII letters, no ``=``, ``~``, ``#`` and the like, and
    parentheses only of a function. In a list, in a choice and in a dict each value has quotes of
    its own.

    Args:
        override: An override, ``KEY=VALUE``.

    Returns:
        An override that Hydra reads; None if quotes around values don't make it one.
    """
    key, equals, value = override.partition("=")
    if not (equals and value and can_be_read(f"{key}=1")):
        return None
    parts = (_PARTS_OF_DICT if "{" in value else _PARTS).findall(value)
    candidates = ["".join(map(_part_in_quotes, parts))]
    if not value.startswith(("[", "{")) and value.partition("(")[0] not in _functions():
        candidates.append(_quoted(value))
    for candidate in candidates:
        if candidate != value and can_be_read(f"{key}={candidate}"):
            return f"{key}={candidate}"
    return None


def as_value(text: str) -> str:
    """Return a text as the value of an override, in quotes where Hydra would read something else.

    Args:
        text: The text that the config gets.
    """
    try:
        plain = OverridesParser.create().parse_override(f"key={text}").value()
    except HydraException:
        return _quoted(text)
    return text if plain == text and isinstance(plain, str) else _quoted(text)


def can_be_read(override: str) -> bool:
    """Return whether Hydra's grammar has an override."""
    try:
        OverridesParser.create().parse_override(override)
    except HydraException:
        return False
    return True


def for_shell(argument: str) -> str:
    """Return an argument as it is typed into bash or zsh, in quotes if it needs any."""
    if "'" in argument and not _SPECIAL_IN_DOUBLE_QUOTES & set(argument):
        return f'"{argument}"'  # easier to read than what shlex.quote makes of single quotes
    return shlex.quote(argument)


def _functions() -> set[str]:
    return {"", *create_functions().functions}


def _part_in_quotes(part: str) -> str:
    text = part.strip()
    if len(text) < 2 and text.isascii():
        return part
    return part if can_be_read(f"key={text}") else part.replace(text, _quoted(text))


def _quoted(text: str) -> str:
    return QuotedString(text, Quote.single).with_quotes()
