"""Conditional parameters, which are searched only under a choice: ``hydra.sweeper.when``.

    when:
      model=choice(lstm, gru):
        model.dropout: interval(0.0, 0.5)

A parent that is searched makes its parameters conditional. A parent that is not searched has the
same value in every trial, which decides before trial 0: its parameters are always searched, or
never.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from omegaconf import DictConfig
from optuna.distributions import FloatDistribution

from rnnexp.formatting import did_you_mean
from rnnexp.search.config_keys import value_of
from rnnexp.search.dimension import Condition, Dimension
from rnnexp.search.space import Groups, Space, parse, read_condition

WHEN = "hydra.sweeper.when"


def as_overrides(where: str, block: Mapping[str, object]) -> tuple[list[str], list[str]]:
    """Return values and ranges by key as overrides, and the problems of those that can't be.

    Args:
        where: The block's place in the config, for messages.
        block: Values and ranges by config key.
    """
    overrides, problems = [], []
    for key, value in block.items():
        if isinstance(value, dict | list):
            problems.append(
                f"{where}.{key}={value}: must be one value or range in Hydra's "
                "grammar, under the whole key, such as 'model.units: choice(32, 64)'"
            )
        else:
            overrides.append(f"{key!s}={'null' if value is None else value}")
    return overrides, problems


@dataclass
class _Block:
    """A condition and the dimensions under it, as far as they can be read."""

    where: str
    condition: Condition | None = None
    dimensions: tuple[Dimension, ...] = ()
    keys: frozenset[str] = frozenset()  # including those that can't be read
    problems: list[str] = field(default_factory=list)


@dataclass
class _Known:
    """The keys that a condition may name, as far as they have been read."""

    searched: dict[str, Dimension]
    offered: dict[str, Dimension]  # by the sweep's file, whatever the command line gives
    commanded: set[str]  # given on the command line
    taken: set[str]  # searched or fixed so far
    base: DictConfig | None
    never: set[str] = field(default_factory=set)  # their own condition fails, or can't be read


def with_conditions(
    space: Space,
    when: Mapping[str, object] | None,
    *,
    params: Sequence[str] = (),
    arguments: Sequence[str] = (),
    base: DictConfig | None = None,
    groups: Groups | None = None,
) -> tuple[Space, list[str]]:
    """Add the dimensions of ``hydra.sweeper.when`` to a space.

    Args:
        space: The space of ``params`` and ``arguments``.
        when: Ranges by config key, by condition.
        params: Overrides of the sweep's file.
        arguments: Overrides of the command line, which win over ``when``.
        base: The composed config of a trial with nothing searched; None if it can't be composed.
        groups: The config groups, needed to expand ``glob(...)`` over one.

    Returns:
        The space with all dimensions that can be read, and a message for each problem.
    """
    blocks = [_block(str(text), block, groups) for text, block in (when or {}).items()]
    from_file = {d.key: d for block in blocks for d in block.dimensions}
    known = _Known(
        searched=space.by_key,
        offered=parse(params, groups)[0].by_key | from_file,
        commanded={_key(text) for text in arguments},
        taken={*space.by_key, *map(_key, space.fixed)},
        base=base,
    )
    for number, block in enumerate(blocks):
        to_come = {key for later in blocks[number:] for key in later.keys}
        _add(block, known, to_come - known.commanded)
    dimensions = sorted(known.searched.values(), key=lambda d: d.condition is not None)
    return Space(tuple(dimensions), space.fixed), [f for block in blocks for f in block.problems]


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _block(text: str, block: object, groups: Groups | None) -> _Block:
    read = _Block(f"{WHEN}: {text}")
    try:
        read.condition = read_condition(text, groups)
    except ValueError as error:
        read.problems.append(
            f"{read.where}: must be KEY=VALUE or KEY=choice(VALUE, ...) in Hydra's grammar: {error}"
        )
    if not isinstance(block, Mapping):
        read.problems.append(f"{read.where}: must have ranges by config key, not {block}")
        return read
    read.keys = frozenset(str(key).lstrip("+~") for key in block)
    overrides, problems = as_overrides(read.where, block)
    space, unread = parse(overrides, groups)
    # A plain value becomes the only choice, so that it is set, and logged, where it applies.
    only, unread_too = parse([_only_choice(text) for text in space.fixed], groups)
    read.dimensions = (*space.dimensions, *only.dimensions)
    read.problems += [*problems, *unread, *unread_too]
    return read


def _only_choice(override: str) -> str:
    key, _, value = override.partition("=")
    return f"{key}=choice({value})"


def _add(block: _Block, known: _Known, to_come: set[str]) -> None:
    """Add a block's dimensions to the searched keys, or its problems to the block."""
    try:
        settled = _settled(block.condition, known, to_come) if block.condition else False
    except ValueError as error:
        block.problems.append(f"{block.where}: {error}")
        settled = False
    known.never |= block.keys - known.commanded
    condition = settled if isinstance(settled, Condition) else None
    for dimension in block.dimensions:
        if dimension.key in known.commanded:
            continue
        if dimension.key in known.taken:
            block.problems.append(f"{block.where}: {dimension.key} is given elsewhere, too")
        elif settled:
            known.searched[dimension.key] = replace(dimension, condition=condition)
        known.taken.add(dimension.key)


def _settled(condition: Condition, known: _Known, to_come: set[str]) -> Condition | bool:
    """Return the condition, if it depends on a trial's params; else whether it holds."""
    key = condition.key
    parent, offered = known.searched.get(key), known.offered.get(key)
    if key in to_come:
        raise ValueError(f"{key} is searched further below; its block must come before this one")
    _check_values(condition, [d for d in (parent, offered) if d])
    if parent:
        # The command line may leave out some of the file's choices.
        values = tuple(value for value in condition.values if parent.holds(value))
        return bool(values) and replace(condition, values=values)
    if key in known.never or known.base is None:
        return False
    for group in known.searched:
        if key.startswith(f"{group.replace('/', '.')}."):
            raise ValueError(f"{key} may differ by {group}, which is searched; name {group} here")
    return value_of(known.base, key) in condition.values


def _check_values(condition: Condition, parents: Sequence[Dimension]) -> None:
    if floats := [p for p in parents if isinstance(p.distribution, FloatDistribution)]:
        raise ValueError(
            f"{condition.key} is searched as {floats[0].grammar}; a condition needs a choice or a "
            "range of ints"
        )
    for value in condition.values:
        if parents and not any(parent.holds(value) for parent in parents):
            texts = list(parents[0].texts.values())
            among = ", ".join(texts) or parents[0].grammar
            raise ValueError(f"{value} is not among {among}{did_you_mean(str(value), texts)}")
