"""Hydra's store of structured configs, shared where Hydra would copy it.

Hydra copies its config repository, and the whole `ConfigStore` with it, whenever it composes a
config or lists a config group: some 90 times for ``--help``, which took most of its time. The
repository only reads the store, which copies each node that it hands out.
"""

from typing import Any

from hydra.core.config_store import ConfigStore


def _itself(store: ConfigStore, memo: Any) -> ConfigStore:  # noqa: ARG001
    return store


ConfigStore.__deepcopy__ = _itself  # type: ignore[attr-defined]
