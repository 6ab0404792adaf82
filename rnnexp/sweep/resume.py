"""Going on with a study: ``hydra.sweeper.resume``."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import optuna
from omegaconf import DictConfig, OmegaConf

from rnnexp.search.space import Space
from rnnexp.storage.optuna_store import open_storage, study_names, unknown_study
from rnnexp.storage.uris import absolute_uri

LATEST = "latest"


def study_to_resume(settings: DictConfig) -> tuple[str | None, list[str]]:
    """The study to go on with, or why there is none.

    Args:
        settings: ``hydra.sweeper``; ``resume`` is a name, or ``latest``.
    """
    url = absolute_uri(settings.storage)
    try:
        names = study_names(url)
    except Exception:  # what is wrong with the storage is told by itself
        return None, []
    if settings.resume == LATEST and names:
        summaries = optuna.get_all_study_summaries(open_storage(url), include_best_trial=False)
        newest = max(summaries, key=lambda summary: summary.datetime_start or datetime.min)
        return newest.study_name, []
    if settings.resume in names:
        return str(settings.resume), []
    return None, [f"hydra.sweeper.resume: {unknown_study(str(settings.resume), names, url)}"]


def taken_name(settings: DictConfig) -> str:
    """What to say if a new study has the name of another."""
    return (
        f"hydra.sweeper.study_name={settings.study_name}: there is such a study in "
        f"{absolute_uri(settings.storage)} already; go on with it by "
        f"hydra.sweeper.resume={settings.study_name}, give another name, or leave the name out "
        "for one with the time in it"
    )


def definition(config: DictConfig, space: Space) -> dict[str, str]:
    """What makes a study the same: what is searched, and the config that all trials share.

    Args:
        config: The composed config of a trial, with nothing searched.
        space: What is searched.
    """
    searched = {f"search of {dim.key}": str(dim) for dim in space.dimensions}
    whole = OmegaConf.to_container(config, resolve=False)
    fixed = dict(_flat({k: v for k, v in whole.items() if k != "hydra"}))  # type: ignore[union-attr]
    return searched | {k: v for k, v in fixed.items() if k not in space.by_key}


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Where two definitions differ, for people."""
    return [
        f"{key} was {before.get(key, 'not there')}, now it is {now.get(key, 'not there')}"
        for key in {**before, **now}
        if before.get(key) != now.get(key)
    ]


def _flat(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _flat(value, f"{path}.{key}".lstrip("."))
    else:
        yield path, str(node)
