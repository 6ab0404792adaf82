"""Differences between runs, without those that any two runs have."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath

from mlflow.entities import Run
from omegaconf import DictConfig, OmegaConf

from rnnexp.compare.rows import Value
from rnnexp.storage.schema import Tags

FOLDER, SWEEP = "{folder}", "{sweep}"  # in place of a run's folder and its sweep's


def differing(rows: Sequence[Mapping[str, Value]]) -> dict[str, tuple[Value, ...]]:
    """Return the names whose values differ, each with its value in every row; None where absent."""
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: tuple(row.get(name) for row in rows) for name in names}
    return {name: values for name, values in columns.items() if len(set(map(repr, values))) > 1}


def grouped(differ: Mapping[str, tuple[Value, ...]]) -> dict[str, list[str]]:
    """Group names that have the same values, most often since one follows from another.

    Args:
        differ: Values by name, from `differing`.

    Returns:
        For each group, by its name with the fewest dots, the other names.
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(differ, key=lambda name: name.count(".")):
        groups.setdefault(repr(differ[name]), []).append(name)
    by_first = {names[0]: names[1:] for names in groups.values()}
    return {name: by_first[name] for name in differ if name in by_first}


def flattened(tree: object, key: str = "") -> dict[str, Value]:
    """Return the leaves of nested mappings and lists by dotted keys.

    Args:
        tree: The mapping, list or leaf.
        key: The key of the tree itself.
    """
    if isinstance(tree, Mapping) and tree:
        pairs: Iterable[tuple[object, object]] = tree.items()
    elif isinstance(tree, list | tuple) and tree:
        pairs = enumerate(tree)
    else:
        leaf = tree if isinstance(tree, str | int | float | bool | None) else str(tree)
        return {key: leaf} if key else {}
    leaves: dict[str, Value] = {}
    for name, below in pairs:
        leaves |= flattened(below, f"{key}.{name}" if key else str(name))
    return leaves


def config_values(run: Run, config: DictConfig) -> dict[str, Value]:
    """Return a config by dotted keys, with placeholders for folders, which any two runs differ in.

    Args:
        run: The run; its tag names its folder, which is in its sweep's folder if it is a trial.
        config: The run's resolved config.
    """
    folder = run.data.tags.get(Tags.FOLDER)
    is_trial = Tags.TRIAL in run.data.tags
    leaves = flattened(OmegaConf.to_container(config))
    return {key: _without_folder(value, folder, is_trial) for key, value in leaves.items()}


def _without_folder(value: Value, folder: str | None, is_trial: bool) -> Value:
    if not folder or not isinstance(value, str):
        return value
    value = value.replace(folder, FOLDER)
    return value.replace(str(PurePath(folder).parent), SWEEP) if is_trial else value
