"""The definition of a study: what is searched, and what must stay the same when it is resumed."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from rnnexp.search.config_keys import value_of
from rnnexp.search.dimension import Params, Value
from rnnexp.search.space import Space

_SEARCH = "search of "  # before a searched key


def definition(config: DictConfig, space: Space) -> dict[str, str]:
    """Return what makes a study the same: the search space, and the config that all trials share.

    Args:
        config: The composed config of a trial, with nothing searched.
        space: The search space.

    Returns:
        Texts by key, as a study stores them.
    """
    searched = {f"{_SEARCH}{dim.key}": str(dim) for dim in space.dimensions}
    whole = OmegaConf.to_container(config, resolve=False)
    fixed = dict(_flat({k: v for k, v in whole.items() if k != "hydra"}))  # type: ignore[union-attr]
    return searched | {k: v for k, v in fixed.items() if k not in space.by_key}


def searched_keys(stored: Mapping[str, str]) -> dict[str, str]:
    """Return how each key is searched, in Hydra's grammar, by a stored definition."""
    return {
        key.removeprefix(_SEARCH): grammar
        for key, grammar in stored.items()
        if key.startswith(_SEARCH)
    }


def search_changes(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Return how the search of each key differs between two definitions, as texts for people."""
    old, new = searched_keys(before), searched_keys(now)
    return {
        key: f"{key} was {old.get(key, before.get(key, 'not there'))}, "
        f"now it is {new.get(key, 'not searched')}"
        for key in {**old, **new}
        if old.get(key) != new.get(key)
    }


def parents(searched: Mapping[str, str]) -> dict[str, str]:
    """Return, for each key that has a condition, the key that the condition is about.

    Args:
        searched: How each key is searched, as of `searched_keys`.
    """
    found = {}
    for key, grammar in searched.items():
        _, when, condition = grammar.rpartition(" when ")
        if when:
            found[key] = condition.partition("=")[0].lstrip("+")
    return found


def defaults_of(config: DictConfig, space: Space) -> Params:
    """Return the config's own values of the searched keys, where they are among those searched.

    Args:
        config: The composed config of a trial, with nothing searched.
        space: The search space.
    """
    found: Params = {}
    for dimension in space.dimensions:
        with suppress(ValueError):  # a key without a value of its own, such as +compile.clipnorm
            value = value_of(config, dimension.key)
            if dimension.holds(value):
                found[dimension.key] = cast("Value", value)
    return space.only_applying(found)


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return where two definitions differ, apart from the search, as texts for people."""
    searched = {*searched_keys(before), *searched_keys(now)}
    return [
        f"{key} was {before.get(key, 'not there')}, now it is {now.get(key, 'not there')}"
        for key in {**before, **now}
        if before.get(key) != now.get(key) and key not in searched and not key.startswith(_SEARCH)
    ]


def _flat(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _flat(value, f"{path}.{key}".lstrip("."))
    else:
        yield path, str(node)
