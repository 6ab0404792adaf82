"""Passwords of stores: taken out of Hydra's config before Hydra writes the config anywhere.

For a sweep the sweeper's plugin does it; for a single run a callback of Hydra's, which
conf/config.yaml names, since Hydra writes ``.hydra/`` before it calls the application.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.conf import HydraConf
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from rnnexp.errors import one_line
from rnnexp.passwords import (
    VARIABLE,
    concealed,
    hide,
    may_have_secret,
    remembered,
    without_password,
)

# Config keys of the URLs that this project opens.
KEYS = ("tracking.uri", "hydra.sweeper.storage", "hydra.sweeper.tracking.uri")


def hide_in_arguments(arguments: list[str]) -> list[str]:
    """Return the arguments of a command line with ``***`` for the passwords of stores.

    Args:
        arguments: The arguments; the passwords of those that set a store's URL are remembered.
    """
    return [_hidden_argument(text) for text in arguments]


def _hidden_argument(text: str) -> str:
    key, equals, value = text.partition("=")
    if key.lstrip("+") not in KEYS or "${" in value:
        return text
    quote = value[:1] if value[:1] in ("'", '"') and value[-1:] == value[:1] else ""
    return f"{key}{equals}{quote}{hide(value[1:-1] if quote else value)}{quote}"


def hide_store_passwords(config: DictConfig) -> None:
    """Replace the passwords of stores in a whole config, in place; they are remembered.

    A password that a config file has would come back when a job's config is composed. An override
    in ``hydra.overrides``, from which jobs are composed, puts the URL without it in its place.

    Args:
        config: The config that Hydra has composed of the command line, with the node ``hydra``.
    """
    with read_write(config), open_dict(config):
        overrides = config.hydra.overrides
        # Not resolved: an override may read a secret from the environment.
        lists: Any = OmegaConf.to_container(overrides, resolve=False)
        given = [*lists["task"], *lists["hydra"]]
        for name, texts in lists.items():
            overrides[name] = list(map(_hidden_override, texts))
        for key in KEYS:
            url = _raw(config, key)
            if isinstance(url, str) and (shown := hide(url)) != url:
                OmegaConf.update(config, key, shown)
                if not any(text.lstrip("+").startswith(f"{key}=") for text in given):
                    overrides.hydra.append(f"{key}={_quoted(shown)}")
        dirname = without_password(_raw(config, "hydra.job.override_dirname"))
        config.hydra.job.override_dirname = dirname
    sys.argv[1:] = map(_hidden_override, sys.argv[1:])  # from which the summary makes a command


def _hidden_override(text: str) -> str:
    hidden = _hidden_argument(text)
    # A dict that sets a whole group, such as tracking={uri:...}.
    group = text.partition("=")[0].lstrip("+")
    return without_password(hidden) if f"{group}." in ("tracking.", "hydra.sweeper.") else hidden


def _raw(config: DictConfig, key: str) -> Any:
    """Return a value as it is written; None if it is missing, or below an interpolation."""
    node: Any = config
    for part in key.split("."):
        if not isinstance(node, DictConfig) or node._is_interpolation() or node._is_none():
            return None
        node = node._get_node(part, validate_access=False)
    return None if node is None else node._value()


def _quoted(text: str) -> str:
    return QuotedString(text, Quote.single).with_quotes()


def share_passwords() -> None:
    """Put the URLs of the stores where the processes of any launcher find them.

    This project's launchers hand them over with each job. Processes that another launcher starts
    inherit the environment.
    """
    if urls := remembered():
        os.environ[VARIABLE] = json.dumps(urls)


class HidePasswords(Callback):
    """A callback of Hydra's that keeps passwords out of what Hydra writes."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Take the passwords of stores out of the config of a single run."""
        with _or_no_run():
            hide_store_passwords(config)

    def on_job_start(self, config: DictConfig, **_: Any) -> None:
        """Replace other secrets in the files that Hydra has written for a single run."""
        with _or_no_run():
            if config.hydra.mode == RunMode.RUN:
                conceal_files(config.hydra)


@contextmanager
def _or_no_run() -> Iterator[None]:
    """End the process on any error, which Hydra would make a warning, and then begin the run."""
    try:
        yield
    except Exception as error:
        reason = f"{type(error).__name__}: {one_line(error)}"
        sys.stderr.write(f"nothing was started: the config may have passwords in it, {reason}\n")
        raise SystemExit(1) from error


def conceal_files(hydra: HydraConf) -> None:
    """Replace secrets in the files that Hydra has written into a job's folder ``.hydra``.

    A file in which that fails is deleted.

    Args:
        hydra: The node ``hydra`` of the job's config.
    """
    if hydra.output_subdir is None:
        return
    for file in sorted(Path(hydra.runtime.output_dir, hydra.output_subdir).glob("*.yaml")):
        text = file.read_text(encoding="utf-8")
        if may_have_secret(text):  # almost no file; to read a file as YAML takes its time
            file.unlink()
            written: Any = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
            OmegaConf.save(OmegaConf.create(concealed(written)), file)
