"""Passwords: kept out of whatever is stored, shown or logged.

    the URL of a store, as it was given -> hide: this process remembers the password
      -> a config, an attribute, a tag, a file, a message: the URL with *** for the password
      -> with_password or for_mlflow, where a connection is opened, and nowhere else

A worker process gets the remembered URLs with its job, in memory; on its way to a worker of Dask's
the job is `Sealed`. Texts and configs that are stored
go through `without_password`, `conceal` or `concealed`, which also find secrets of other kinds.
"""

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

MASK = "***"
# The remembered URLs, as JSON, for the jobs of launchers that are not this project's own.
VARIABLE = "RNNEXP_STORE_URLS"
MLFLOW_VARIABLES = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


def _in_url(stop: str) -> tuple[re.Pattern[str], ...]:
    """Return patterns of a server's URL and of a database's, each up to the @ before the host.

    In a database's URL the password may have a slash in it, or an @ that should have been %40;
    digits before a slash are a port.

    Args:
        stop: Characters at which a URL ends, as in the brackets of a regular expression.
    """
    user = rf"(?:\$\{{[^}}{stop}]*\}}|[^:/?#@{stop}])*"
    # Both begin with a literal, which Python finds fast: a report has millions of characters.
    is_server = r"(?:(?<=http://)|(?<=https://))"
    is_database = r"(?<=[\w+.-]://)(?<!http://)(?<!https://)"
    server = rf"(?P<start>://{is_server}{user}):(?P<password>[^/?#{stop}]*)@"
    database = (
        rf"(?P<start>://{is_database}{user}):(?!\d+/)"
        rf"(?P<password>[^@{stop}]*(?:@[^@/?{stop}]*)*?)@(?=[^@/?{stop}]*(?:[/?{stop}]|$))"
    )
    return re.compile(server), re.compile(database)


_URL, _IN_TEXT = _in_url(""), _in_url(r"\s'\"`<>")
_WORDS = (
    r"(?:pass(?:word|wd|phrase)|pwd|secret|credential|(?:api|access|secret|private|account)_?key)s?"
    r"|authorization"
)
_IN_QUERY = re.compile(
    rf"(?P<start>[?&](?:(?:[\w-]+[_-]|ssl)?(?:{_WORDS}|token|sig|signature)|odbc_connect)=)(?!\*)(?P<password>[^&\s'\"#]+)",
    re.IGNORECASE,
)
# Of a config key, or of one above it. A `token` or a `hub_token` is a secret, a `pad_token` is not.
_KEY = re.compile(
    rf"(?:.*[._/-])?(?:{_WORDS})(?:\..*)?"
    r"|(?:.*[./])?pass"
    r"|(?:.*[./])?(?:(?:\w+_)?(?:access|auth|api|bearer|refresh|hub|hf|bot)_)?token",
    re.IGNORECASE,
)
_OVERRIDE = re.compile(r"(?P<start>[+~]*(?P<key>[\w@/:.-]+)=)(?P<value>.+)", re.DOTALL)
# A pair of a key and a value in a dict, or in a list of overrides, within a text.
_PAIR = re.compile(
    r"(?P<start>(?:^|[\s,{\[('\"+~])(?P<key>[\w./-]+)['\"]?[:=]\s*)"
    r"(?P<value>'[^']*'|\"[^\"]*\"|[^\s,{}\[\]'\"][^,{}\[\]\n]*)"
)
_LINE = re.compile(
    r"(?m)^(?P<start>[ +-]*['\"]?(?P<key>[\w./-]+)['\"]?[ \t]*[:=][ \t]*)(?P<value>\S.*)$"
)
_HINT = re.compile(
    rf"(?:{_WORDS}|token|\bpass)(?:\.\S*)?['\"]?\s*[:=]|://[^\s/]*@|[?&]sig|signature=|odbc_connect=",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Sealed:
    """What may have secrets in it on its way to another process, whose logs show arguments.

    Attributes:
        content: Whatever is sent; `repr` leaves it out.
    """

    content: Any = field(repr=False)


_remembered: dict[str, str] = {}  # the URL as it was given, by the URL that is shown


def hide(url: str) -> str:
    """Remember the password of a URL.

    Args:
        url: The URL of a store.

    Returns:
        The URL with ``***`` for the password; the same URL if it has none.
    """
    shown = _shown(url)
    if shown != url:
        _remembered[shown] = url
    return shown


def _shown(url: str) -> str:
    for pattern in (*_URL, _IN_QUERY):
        url = pattern.sub(_masked, url)
    return url


def _masked(match: re.Match[str]) -> str:
    if "${" in match["password"]:
        return match[0]
    is_query = match.re is _IN_QUERY
    return f"{match['start']}{MASK}" if is_query else f"{match['start']}:{MASK}@"


def with_password(url: str) -> str:
    """Return a URL to open a connection with.

    Args:
        url: A URL, perhaps one that `hide` has returned.

    Returns:
        The URL with its password. If this process does not know the password, the URL has none, so
        that a database's own ways count, such as ``PGPASSWORD`` and ``~/.pgpass``.
    """
    if url not in _remembered:
        given = [os.environ.get("MLFLOW_TRACKING_URI", "")]
        given += json.loads(os.environ.get(VARIABLE) or "[]")
        for each in given:
            # MLflow's client, and so a file of queued writes, has the address of a server alone.
            if each and url in (shown := _shown(each), to_type(shown)):
                _remembered[url] = each
    known = _remembered.get(url, url)
    for pattern in _URL:
        known = pattern.sub(_for_connection, known)
    return known


def _for_connection(match: re.Match[str]) -> str:
    password = "" if match["password"] == MASK else f":{match['password'].replace('@', '%40')}"
    return f"{match['start']}{password}@"


def for_mlflow(uri: str) -> str:
    """Return a tracking URI for MLflow's client.

    MLflow prints the address of a server in its errors. So the client gets the address alone, and
    the user and the password in the environment variables that MLflow has for them.
    """
    known = with_password(uri)
    if not known.startswith(("http://", "https://")):
        return known
    scheme, _, rest = known.partition("://")
    host, slash, path = rest.partition("/")
    user, _, host = host.rpartition("@")
    name, has_password, password = user.partition(":")
    if has_password:
        os.environ.update(zip(MLFLOW_VARIABLES, map(unquote, (name, password)), strict=True))
    elif name:
        os.environ.setdefault(MLFLOW_VARIABLES[0], unquote(name))
    return f"{scheme}://{host}{slash}{path}"


def to_type(url: str) -> str:
    """Return a URL for a command that a person types: with neither a password nor ``***``."""
    if url.startswith(("http://", "https://")):  # MLflow has variables for the user as well
        return re.sub(r"^(https?://)[^/?#]*@", r"\1", url)
    for pattern in _URL:
        url = pattern.sub(lambda match: f"{match['start']}@", url)
    return url


def remember(urls: Iterable[str]) -> None:
    """Remember the passwords of URLs, such as those that another process has sent."""
    for url in urls:
        hide(url)


def remembered() -> tuple[str, ...]:
    """Return the URLs whose passwords this process remembers, to send them to another process."""
    return tuple(_remembered.values())


def without_password(text: str) -> str:
    """Return a text with ``***`` for the password in each URL.

    A password that is an interpolation, such as ``${oc.env:PASSWORD}``, stays as it is.
    """
    for shown, url in _remembered.items():
        text = text.replace(url, shown)
    for pattern in (*_IN_TEXT, _IN_QUERY):
        text = pattern.sub(_masked, text)
    return text


def is_secret(key: str) -> bool:
    """Return whether the value of a config key is a secret, by the key's last part or one above."""
    return _KEY.fullmatch(key) is not None


def concealed(node: Any, key: str = "") -> Any:
    """Return a config with ``***`` for every secret: passwords in URLs, values of secret keys.

    Args:
        node: The config, as dicts, lists and values; a list may have Hydra's overrides.
        key: The key of the config itself.
    """
    if isinstance(node, dict):
        above = f"{key}." if is_secret(key) else ""
        return {name: concealed(value, f"{above}{name}") for name, value in node.items()}
    if isinstance(node, list):
        return [concealed(value, key) for value in node]
    if node is None or isinstance(node, bool) or node == "":
        return node
    if is_secret(key) and "${" not in str(node):
        return MASK
    return concealed_override(node) if isinstance(node, str) else node


def concealed_override(text: str) -> str:
    """Return an override, or another text of a config, with ``***`` for each secret in it."""
    match = _OVERRIDE.fullmatch(text)
    found = _value_masked(match) if match else text
    return without_password(_PAIR.sub(_value_masked, found))


def conceal(text: str) -> str:
    """Return a text of several lines, such as a diff of config files, with ``***`` for secrets."""
    return without_password(_LINE.sub(_value_masked, text))


def may_have_secret(text: str) -> bool:
    """Return whether a text may have a secret in it, after a quick look."""
    return _HINT.search(text) is not None


def _value_masked(match: re.Match[str]) -> str:
    if is_secret(match["key"]) and "${" not in match["value"]:
        return f"{match['start']}{MASK}"
    return match[0]
