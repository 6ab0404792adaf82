"""What of the earlier trials fits a search space that has changed, and how it is stored."""

from typing import Any

import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from rnnexp.search.conditions import with_conditions
from rnnexp.search.sampling import DistinctSampler, ask
from rnnexp.search.space import Space, parse
from rnnexp.search.space_change import (
    SearchedTrials,
    as_stored,
    carried,
    fits,
    must_be_rewritten,
    value_in,
    with_stored,
)


def space_of(*arguments: str, when: dict[str, object] | None = None) -> Space:
    space, problems = parse(arguments)
    space, conditional = with_conditions(space, when)
    assert not problems and not conditional
    return space


def trial_of(params: dict[str, Any], space: Space, number: int = 0) -> FrozenTrial:
    distributions = {key: space.by_key[key].distribution for key in params}
    trial = create_trial(value=1.0, params=params, distributions=distributions)
    trial.number = number
    return trial


@pytest.mark.parametrize(
    ("now", "params", "added", "expected"),
    [
        # A range that is wider, narrower, or has other steps.
        (("x=interval(0,9)",), {"x": 6.0}, {}, True),
        (("x=interval(0,5)",), {"x": 6.0}, {}, False),
        (("x=range(0,10,2)",), {"x": 6}, {}, True),
        (("x=range(0,10,2)",), {"x": 5}, {}, False),
        # More choices, fewer choices, choices in place of a range.
        (("n=choice(1,2,3)",), {"n": 2}, {}, True),
        (("n=choice(1,3)",), {"n": 2}, {}, False),
        (("x=choice(1,6)",), {"x": 6}, {}, True),
        # A key that is newly searched, with a value that is searched or not; one that is gone.
        (("n=choice(1,2)", "k=choice(4,5)"), {"n": 2}, {"k": 4}, True),
        (("n=choice(1,2)", "k=choice(4,5)"), {"n": 2}, {"k": 9}, False),
        (("n=choice(1,2)", "k=choice(4,5)"), {"n": 2}, {}, False),
        (("n=choice(1,2)",), {"n": 2, "k": 4}, {}, False),
    ],
)
def test_what_fits(
    now: tuple[str, ...], params: dict[str, Any], added: dict[str, Any], expected: bool
) -> None:
    space = space_of(*now)
    assert fits(carried(params, added, space), space) is expected


def test_a_new_key_has_a_value_only_where_its_condition_holds() -> None:
    space = space_of("m=choice(rnn,lstm)", when={"m=lstm": {"drop": "choice(0.0,0.5)"}})
    assert carried({"m": "rnn"}, {"drop": 0.0}, space) == {"m": "rnn"}
    assert carried({"m": "lstm"}, {"drop": 0.0}, space) == {"m": "lstm", "drop": 0.0}
    assert fits({"m": "rnn"}, space)
    assert not fits({"m": "rnn", "drop": 0.0}, space)


@pytest.mark.parametrize(
    ("text", "grammar", "value"),
    [
        ("32", "k=choice(16,32)", 32),
        ("0.5", "k=interval(0,1)", 0.5),
        ("None", "k=null,3", None),
        ("True", "k=choice(true,false)", True),
        ("lstm", "k=choice(gru,own)", "lstm"),
    ],
)
def test_the_value_of_a_fixed_key(text: str, grammar: str, value: object) -> None:
    found = value_in(text, space_of(grammar).by_key["k"])
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", ["${fit.epochs}", "[1, 2]", "{'a': 1}"])
def test_what_is_no_value(text: str) -> None:
    with pytest.raises(ValueError, match="is not one value"):
        value_in(text, space_of("k=choice(1,2)").by_key["k"])


@pytest.mark.parametrize(
    ("before", "value", "now", "stored", "is_rewritten"),
    [
        # Numbers keep their kind, whatever the range; a value outside has a range of its own.
        ("x=interval(0,6)", 6.0, "x=interval(0,9)", FloatDistribution(0, 9), False),
        ("x=interval(0,6)", 6.0, "x=interval(0,5)", FloatDistribution(6, 6), False),
        ("n=range(1,9)", 8, "n=range(1,5)", IntDistribution(8, 8), False),
        # Choices: all that there have been, in the order in which they came.
        ("n=choice(1,2)", 2, "n=choice(1,2,3)", CategoricalDistribution((1, 2, 3)), True),
        ("n=choice(1,2)", 2, "n=choice(3,1)", CategoricalDistribution((1, 2, 3)), True),
        ("n=choice(1,2)", 2, "n=choice(1)", CategoricalDistribution((1, 2)), False),
        ("n=choice(1,2)", 2, "n=choice(2,1)", CategoricalDistribution((1, 2)), False),
        # Another kind, or a logarithm.
        ("n=choice(1,2)", 2, "n=range(1,9)", IntDistribution(1, 8), True),
        ("n=range(1,9)", 8, "n=choice(1,2)", CategoricalDistribution((8, 1, 2)), True),
        ("x=interval(1,6)", 6.0, "x=tag(log,interval(1,9))", FloatDistribution(1, 9, log=True), 1),
    ],
)
def test_how_an_earlier_trial_is_stored(
    before: str, value: object, now: str, stored: BaseDistribution, is_rewritten: bool
) -> None:
    key = before[0]
    old = trial_of({key: value}, space_of(before))
    space = with_stored(space_of(now), [old])
    new = as_stored(old, {}, space)
    assert (new.params, new.distributions) == ({key: value}, {key: stored})
    assert must_be_rewritten(old, new) == is_rewritten


@pytest.mark.parametrize(
    ("before", "value", "now", "reason"),
    [
        ("k=choice(1,big)", "big", "k=range(1,9)", "trial 0 can't be kept: k: big is not a number"),
        ("k=interval(0,2)", 0.5, "k=range(1,9)", "0.5 is not a whole number"),
        ("k=interval(0,2)", 0.0, "k=tag(log,interval(0.1,2))", "k: .*log"),
    ],
)
def test_what_can_not_be_stored(before: str, value: object, now: str, reason: str) -> None:
    old = trial_of({"k": value}, space_of(before))
    with pytest.raises(ValueError, match=reason):
        as_stored(old, {}, with_stored(space_of(now), [old]))


def test_a_new_key_is_stored_with_the_value_that_the_trial_had() -> None:
    old = trial_of({"n": 2}, space_of("n=choice(1,2)"))
    space = with_stored(space_of("n=choice(1,2)", "k=choice(8,16)"), [old], {"k": 4})
    new = as_stored(old, {"k": 4}, space)
    assert new.params == {"n": 2, "k": 4}
    assert new.distributions["k"] == CategoricalDistribution((4, 8, 16))
    assert must_be_rewritten(old, new)


def test_a_value_that_is_not_searched_any_more_still_has_its_override() -> None:
    space = space_of("n=choice(1,2)", "name=choice(a,b)", "share=range(0.15,0.6,0.1)")
    params = {"n": 8, "name": "x y=", "share": 0.3}
    assert space.overrides(params) == ["n=8", "name='x y='", "share=0.3"]
    assert space.overrides({"n": None, "name": True}) == ["n=null", "name=true"]


def test_a_sampler_sees_the_trials_that_fit_as_its_own() -> None:
    before, now = (
        space_of("n=choice(1,2)", "x=interval(0,6)"),
        space_of("n=choice(2,3)", "x=interval(0,9)"),
    )
    trials = [trial_of({"n": n, "x": 5.0}, before, n) for n in (1, 2)]
    view = SearchedTrials(now)
    for _ in range(2):  # the second time, as it was kept
        (seen,) = view.of(trials)
        assert seen.params == {"n": 2, "x": 5.0}
        assert seen.distributions == now.distributions
    running = create_trial(
        state=TrialState.RUNNING,
        params={"n": 2},
        distributions={"n": before.by_key["n"].distribution},
    )
    running.number = 3
    assert [trial.number for trial in view.of([running])] == [3]


@pytest.mark.parametrize(
    "now",
    [
        ("n=choice(2,3,4)", "x=interval(0,9)"),  # 1 is gone, 3 and 4 are new
        ("n=choice(3)", "x=interval(2,3)"),
    ],
)
def test_a_changed_study_draws_what_is_searched_now(now: tuple[str, ...]) -> None:
    before = space_of("n=choice(1,2,3)", "x=interval(0,6)")
    study = optuna.create_study(sampler=DistinctSampler(TPESampler(seed=0), before))
    for _ in range(15):  # TPE draws at random at first
        trial = ask(study, before)
        study.tell(trial, trial.params["x"])
    old = study.trials
    space = with_stored(space_of(*now), old)
    changed = optuna.create_study(
        sampler=DistinctSampler(TPESampler(seed=0), space, has_changed=True)
    )
    changed.add_trials([as_stored(trial, {}, space) for trial in old])
    for _ in range(15):
        trial = ask(changed, space)
        assert space.holds(trial.params)
        changed.tell(trial, trial.params["x"])
    assert [trial.params for trial in changed.trials[:15]] == [trial.params for trial in old]
