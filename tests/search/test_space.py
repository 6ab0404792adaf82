import math
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given
from hypothesis import strategies as st
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from rnnexp.search.space import Dimension, parse, short_name


def dimension(override: str) -> Dimension:
    space, problems = parse([override])
    assert not problems
    return space.dimensions[0]


@pytest.mark.parametrize(
    ("grammar", "distribution"),
    [
        ("1,2,3", CategoricalDistribution((1, 2, 3))),
        ("choice(16,32)", CategoricalDistribution((16, 32))),
        ("choice(adam,'two words',true)", CategoricalDistribution(("adam", "two words", True))),
        ("null,a", CategoricalDistribution((None, "a"))),
        ("choice([1,2],{b:c})", CategoricalDistribution(("[1,2]", "{b:c}"))),
        ("int(choice(1.5,2.5))", CategoricalDistribution((1, 2))),
        ("range(1,10)", IntDistribution(1, 9)),
        ("range(1,10,3)", IntDistribution(1, 7, step=3)),
        ("range(1,11,3)", IntDistribution(1, 10, step=3)),
        ("range(10,1,-3)", IntDistribution(4, 10, step=3)),
        ("range(5)", IntDistribution(0, 4)),
        ("range(3,4)", IntDistribution(3, 3)),
        ("shuffle(range(1,4))", IntDistribution(1, 3)),
        ("range(0.1,0.5,0.1)", FloatDistribution(0.1, 0.4, step=0.1)),
        ("range(0.0,1.0,0.25)", FloatDistribution(0.0, 0.75, step=0.25)),
        ("range(0,0.9,0.3)", FloatDistribution(0.0, 0.6, step=0.3)),
        ("range(0.5,0.1,-0.2)", FloatDistribution(0.3, 0.5, step=0.2)),
        ("float(range(1,4))", FloatDistribution(1.0, 3.0, step=1.0)),
        ("int(range(0.5,3))", IntDistribution(0, 2)),
        ("interval(0.1,1)", FloatDistribution(0.1, 1.0)),
        ("interval(1,10)", FloatDistribution(1.0, 10.0)),
        ("float(interval(1,10))", FloatDistribution(1.0, 10.0)),
        ("int(interval(1,10))", IntDistribution(1, 10)),
        ("interval(2,2)", FloatDistribution(2.0, 2.0)),
        ("tag(log,interval(0.0001,0.01))", FloatDistribution(0.0001, 0.01, log=True)),
        ("tag(log,int(interval(1,64)))", IntDistribution(1, 64, log=True)),
    ],
)  # fmt: skip
def test_distribution(grammar: str, distribution: BaseDistribution) -> None:
    assert dimension(f"a={grammar}").distribution == distribution


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("a=range(3,3)", "empty"),
        ("a=range(0.5,0.1,0.1)", "empty"),
        ("a=range(1,5,0)", "step 0"),
        ("a=interval(3,1)", "after its end"),
        ("a=tag(log,interval(0,1))", "above 0"),
        ("a=tag(log,choice(1,2))", "only an interval"),
        ("a=tag(logarithm,interval(1,2))", "unknown tag logarithm"),
        ("a=choice(1,1.0)", "are equal"),
        ("a=(", "can't be read"),
    ],
)
def test_faults(override: str, message: str) -> None:
    space, problems = parse([override])
    assert not space.dimensions
    assert len(problems) == 1
    assert override in problems[0]
    assert message in problems[0]


def test_later_overrides_win_and_everything_else_is_fixed() -> None:
    space, problems = parse(["a=1,2", "b=1,2", "c=3", "~d", "a=range(3)", "b=5", "c=1,2"])
    assert not problems
    assert [d.key for d in space.dimensions] == ["a", "c"]
    assert space.distributions["a"] == IntDistribution(0, 2)
    assert space.fixed == ("~d", "b=5")
    assert space.overrides({"a": 1, "c": 2}) == ["~d", "b=5", "a=1", "c=2"]


@pytest.mark.parametrize("prefix", ["+", "++"])
def test_a_prefix_is_of_the_override_not_of_the_key(prefix: str) -> None:
    space, problems = parse(["a.b=1,2", "c=1,2", f"{prefix}a.b=3,4", f"{prefix}c=5"])
    assert not problems
    assert list(space.distributions) == ["a.b"]
    assert space.fixed == (f"{prefix}c=5",)
    assert space.overrides({"a.b": 4}) == [f"{prefix}c=5", f"{prefix}a.b=4"]


def reread(override: str) -> object:
    return OverridesParser.create().parse_override(override).value()


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C"]))
                .map(lambda text: text.replace("\\", "")), unique=True, min_size=1))  # fmt: skip
def test_any_quoted_text_survives_the_way_to_optuna_and_back(choices: Sequence[str]) -> None:
    quoted = ",".join("'" + choice.replace("'", "\\'") + "'" for choice in choices)
    searched = dimension(f"a=choice({quoted})")
    assert [reread(searched.override(value)) for value in searched.probes()] == list(choices)


@pytest.mark.parametrize(
    ("choices", "probes"),
    [
        ("8,4,2,1", [8, 4, 2, 1]),
        ("7,6,5,4,3,2,1,0", [7, 6, 5, 4, 3, 2, 1, 0]),
        (",".join(map(str, range(57, 0, -1))), [57, 49, 41, 33, 25, 17, 9, 1]),
        (",".join([*map(str, range(2, 59)), "0.5", "true", "nan", "'3'"]),
         [2, 10, 18, 26, 34, 42, 50, 58, 0.5, True, pytest.approx(math.nan, nan_ok=True), "3"]),
        (",".join(f"'{n}'" for n in range(20)), [str(n) for n in range(20)]),
    ],
)  # fmt: skip
def test_the_least_and_the_greatest_of_many_numbers_are_among_those_that_are_checked(
    choices: str, probes: list[object]
) -> None:
    found = dimension(f"a=choice({choices})").probes()
    assert found == probes
    assert [type(value) for value in found[:8]] == [type(value) for value in probes[:8]]


@given(st.floats(1e-12, 1e12), st.floats(1e-12, 1e12), st.booleans())
def test_an_interval_keeps_its_ends_to_the_last_bit(a: float, b: float, log: bool) -> None:
    low, high = sorted((a, b))
    grammar = f"interval({low!r},{high!r})"
    searched = dimension(f"a=tag(log,{grammar})" if log else f"a={grammar}")
    ends = [low] if low == high else [low, high]
    assert searched.probes() == ends
    assert [reread(searched.override(value)) for value in ends] == ends


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(-9, 9).filter(bool))
def test_an_integer_range_has_the_values_of_pythons(start: int, stop: int, step: int) -> None:
    space, problems = parse([f"a=range({start},{stop},{step})"])
    values = sorted(range(start, stop, step))
    assert bool(problems) == (not values)
    if values:
        distribution = space.dimensions[0].distribution
        assert isinstance(distribution, IntDistribution)
        expected = values[0], values[-1]
        assert (distribution.low, distribution.high) == expected
        assert distribution.step == abs(step) or distribution.low == distribution.high


@example(-3, 4, "0.1")  # with 0, which sums of floats miss
@given(st.integers(-200, 200), st.integers(1, 20), st.sampled_from(["0.1", "0.25", "0.3", "0.07"]))
def test_a_float_range_has_exactly_the_decimals_before_its_end(
    tenths: int, count: int, step: str
) -> None:
    start = Decimal(tenths) / 10
    expected = [float(start + k * Decimal(step)) for k in range(count)]
    searched = dimension(f"a=range({start:.1f},{start + count * Decimal(step):.3f},{step})")
    distribution = searched.distribution
    assert isinstance(distribution, FloatDistribution)
    assert (distribution.low, distribution.high) == (expected[0], expected[-1])
    drawn = [distribution.low + k * float(step) for k in range(count)]
    assert [reread(searched.override(value)) for value in drawn] == expected


def test_a_float_step_is_written_without_the_error_of_adding_floats() -> None:
    assert dimension("a=range(0.1,0.5,0.1)").override(0.1 + 2 * 0.1) == "a=0.3"


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({}, ""),
        ({"compile.optimizer.learning_rate": 0.00312345, "model.units": 64}, "lr=0.00312 units=64"),
        ({"fit.batch_size": 32, "model": "lstm"}, "batch=32 model=lstm"),
        ({"model.embedding_size": 16, "fit.shuffle": True}, "embedding=16 shuffle=True"),
        ({"compile.optimizer._target_": "keras.optimizers.SGD"}, "optimizer=keras.optimizers.SGD"),
    ],
)
def test_short_name(params: dict[str, object], name: str) -> None:
    assert short_name(params) == name
