"""In what runs differ: settings, versions, facts; only that, and nothing that differs always."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from rnnexp.compare.rows import Value

if TYPE_CHECKING:
    from mlflow.entities import Run


FOLDER, SWEEP = "{folder}", "{sweep}"  # stand for a run's own folder and that of its sweep


def differing(rows: Sequence[Mapping[str, Value]]) -> dict[str, tuple[Value, ...]]:
    """The names whose values aren't the same in all, with the value in each; None where absent."""
    names = dict.fromkeys(name for row in rows for name in row)
    values = {name: tuple(row.get(name) for row in rows) for name in names}
    return {name: found for name, found in values.items() if len(set(map(repr, found))) > 1}


def together(differ: Mapping[str, tuple[Value, ...]]) -> dict[str, list[str]]:
    """Names with the same values, under the shortest of them: most often they follow from it."""
    groups: dict[str, list[str]] = {}
    for name in sorted(differ, key=lambda name: name.count(".")):
        groups.setdefault(repr(differ[name]), []).append(name)
    found = {names[0]: names[1:] for names in groups.values()}
    return {name: found[name] for name in differ if name in found}


def flattened(tree: object, key: str = "") -> dict[str, Value]:
    """The leaves of nested mappings and lists, by dotted keys; of an empty tree there are none."""
    if isinstance(tree, Mapping) and tree:
        pairs: Iterable[tuple[object, object]] = tree.items()
    elif isinstance(tree, list | tuple) and tree:
        pairs = enumerate(tree)
    else:
        leaf = tree if isinstance(tree, str | int | float | bool | None) else str(tree)
        return {key: leaf} if key else {}
    found: dict[str, Value] = {}
    for name, below in pairs:
        found |= flattened(below, f"{key}.{name}" if key else str(name))
    return found


def settings_of(run: "Run", config: DictConfig) -> dict[str, Value]:
    """A config by dotted keys, without the folders that no two runs share.

    Args:
        run: Its tag ``folder`` is the run's own; a trial's lies in that of its sweep.
        config: The run's resolved config.
    """
    folder = run.data.tags.get("folder")
    is_trial = "trial" in run.data.tags
    leaves = flattened(OmegaConf.to_container(config))
    return {key: _without(value, folder, is_trial) for key, value in leaves.items()}


def _without(value: Value, folder: str | None, is_trial: bool) -> Value:
    if not folder or not isinstance(value, str):
        return value
    value = value.replace(folder, FOLDER)
    return value.replace(str(PurePath(folder).parent), SWEEP) if is_trial else value
