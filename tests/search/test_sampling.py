from typing import Any

import optuna
import pytest
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from rnnexp.result import Result, State
from rnnexp.search.dimension import Params
from rnnexp.search.sampling import DistinctSampler, ask, reason_to_stop, tried_params
from rnnexp.search.seeded_sampler import SeededSampler
from rnnexp.search.space import parse
from rnnexp.storage.schema import TrialAttrs


class Stubborn(RandomSampler):
    """Draws the same params each time."""

    def sample_independent(self, study, trial, name, distribution):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, ARG002
        return distribution.choices[0] if hasattr(distribution, "choices") else distribution.low


def drawn_params(
    sampler: BaseSampler, arguments: list[str], trials: int
) -> list[dict[str, object]]:
    space, problems = parse(arguments)
    assert not problems
    study = optuna.create_study(sampler=DistinctSampler(sampler, space))
    for number in range(trials):
        # Half of them are still running when the next is asked for, as with two workers.
        trial = study.ask(space.distributions)
        if number % 2:
            study.tell(trial, float(number))
    return list(tried_params(study))


@pytest.mark.parametrize("sampler", [RandomSampler(0), TPESampler(seed=0), Stubborn()])
@pytest.mark.parametrize(
    ("arguments", "trials"),
    [
        (["a=choice(1,2,3)", "b=range(0,4)"], 12),
        (["a=choice(x,y)", "b=range(0.1,0.5,0.1)", "c=choice(z)"], 8),
        (["a=choice(1,2)", "b=interval(0,1)"], 12),
    ],
)
def test_no_params_are_drawn_twice(sampler: BaseSampler, arguments: list[str], trials: int) -> None:
    drawn = drawn_params(sampler, arguments, trials)
    assert len({frozenset(params.items()) for params in drawn}) == trials


def test_when_all_were_tried_params_are_drawn_again() -> None:
    drawn = drawn_params(RandomSampler(0), ["a=choice(1,2)"], 3)
    assert {params["a"] for params in drawn} == {1, 2}


def test_the_sampler_is_not_disturbed_while_nothing_repeats() -> None:
    space, _ = parse(["a=interval(0,1)", "b=tag(log,interval(1,10))"])
    drawn = drawn_params(TPESampler(seed=1), ["a=interval(0,1)", "b=tag(log,interval(1,10))"], 20)
    study = optuna.create_study(sampler=TPESampler(seed=1))
    for number in range(20):
        trial = study.ask(space.distributions)
        if number % 2:
            study.tell(trial, float(number))
    assert drawn == list(tried_params(study))


def test_enqueued_params_count_as_tried() -> None:
    space, _ = parse(["a=choice(1,2)", "b=choice(1,2)"])
    study = optuna.create_study(sampler=DistinctSampler(RandomSampler(0), space))
    study.enqueue_trial({"a": 2})
    for _ in range(4):
        study.tell(study.ask(space.distributions), 0.0)
    drawn = list(tried_params(study))
    assert drawn[0]["a"] == 2
    assert len({frozenset(params.items()) for params in drawn}) == 4


SPACE = ["a=interval(0,1)", "b=choice(x,y,z)"]
SEEDED = [
    {"_target_": "optuna.samplers.RandomSampler", "seed": 7},
    {"_target_": "optuna.samplers.TPESampler", "seed": 7, "n_startup_trials": 4},
    {"_target_": "optuna.samplers.NSGAIISampler", "seed": 7, "population_size": 4},
    {"_target_": "optuna.samplers.QMCSampler", "seed": 7},
    {"_target_": "optuna.samplers.QMCSampler", "seed": 7, "scramble": True},
    {
        "_target_": "optuna.samplers.PartialFixedSampler",
        "fixed_params": {"b": "x"},
        "base_sampler": {"_target_": "optuna.samplers.RandomSampler", "seed": 7},
    },
]


def resumed(config: dict[str, Any], arguments: list[str], parts: list[int]) -> list[Params]:
    """Run trials in parts, each as a new process would, and return their params."""
    space, problems = parse(arguments)
    assert not problems
    study = optuna.create_study()
    for number in parts:
        study.sampler = DistinctSampler(SeededSampler(config), space)
        for _ in range(number):
            trial = ask(study, space)
            study.tell(trial, float(trial.number % 3))
    return [trial.params for trial in study.trials]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("config", SEEDED)
def test_a_resumed_study_draws_what_it_would_have_drawn(config: dict[str, Any]) -> None:
    whole = resumed(config, SPACE, [20])
    assert resumed(config, SPACE, [12, 1, 7]) == whole
    assert len({frozenset(params.items()) for params in whole}) == 20


def test_another_seed_draws_other_params() -> None:
    one, other = ({"_target_": "optuna.samplers.RandomSampler", "seed": n} for n in (0, 1))
    assert resumed(one, SPACE, [3]) != resumed(other, SPACE, [3])


class Once(RandomSampler):
    """A sampler of one's own, which keeps what it has drawn."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.seed = seed


def test_a_sampler_from_elsewhere_is_made_once_in_a_process() -> None:
    config = {"_target_": "tests.search.test_sampling.Once", "seed": 7}
    drawn = resumed(config, ["a=interval(0,1)"], [30, 30])
    assert len({params["a"] for params in drawn}) == 60


GRID = {
    "_target_": "optuna.samplers.GridSampler",
    "search_space": {"a": [0.25, 0.5], "b": ["x", "y"]},
}


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize(
    ("config", "arguments", "enqueued", "expected", "reason"),
    [
        (GRID, SPACE, {}, 4, "all 4 params of GridSampler have been tried"),
        (GRID, SPACE, {"a": 0.5}, 4, "all 4 params of GridSampler have been tried"),
        (GRID, SPACE, {"a": 0.75, "b": "z"}, 5, "all 4 params of GridSampler have been tried"),
        (
            {"_target_": "optuna.samplers.BruteForceSampler", "seed": 0},
            ["a=choice(1,2)", "b=choice(x,y,z)", "c=1"],
            {},
            6,
            "BruteForceSampler has no more params to try",
        ),
        (
            {"_target_": "optuna.samplers.BruteForceSampler"},
            ["a=choice(1,2)", "b=range(0,3)", "c=choice(k)"],
            {"a": 1},
            6,
            "BruteForceSampler has no more params to try",
        ),
        (
            SEEDED[-1],
            ["a=range(0,4)", "b=choice(x,y,z)"],
            {},
            4,
            "all 4 params of PartialFixedSampler have been tried",
        ),
        (SEEDED[0], ["a=range(0,4)"], {}, 4, "all 4 params of the search space have been tried"),
    ],
)
def test_a_sampler_that_ends_stops_the_study(
    config: dict[str, Any],
    arguments: list[str],
    enqueued: dict[str, object],
    expected: int,
    reason: str,
) -> None:
    space, _ = parse(arguments)
    study = optuna.create_study(sampler=DistinctSampler(SeededSampler(config), space))
    if enqueued:
        study.enqueue_trial(enqueued)
    while not (ended := reason_to_stop(study, space)) and len(study.trials) < 20:
        study.tell(ask(study, space), 0.0)
    assert ended == reason
    assert len({frozenset(params.items()) for params in tried_params(study)}) == expected
    assert len(study.trials) == expected


def test_the_draw_at_random_is_compared_with_the_tried_params() -> None:
    # The sampler always draws the same, and the space can't be listed.
    drawn = drawn_params(Stubborn(), ["a=choice(1,2)", "b=range(0,1000000)"], 12)
    assert len({frozenset(params.items()) for params in drawn}) == 12


def test_a_pruner_that_hands_over_a_part_of_the_study_hides_no_params() -> None:
    space, _ = parse(["a=range(0,12)"])
    study = optuna.create_study(
        sampler=DistinctSampler(RandomSampler(0), space),
        pruner=optuna.pruners.HyperbandPruner(max_resource=9),
    )
    for _ in range(12):
        study.tell(ask(study, space), 0.0)
    assert {params["a"] for params in tried_params(study)} == set(range(12))


def test_with_several_objectives_what_was_pruned_or_paused_has_its_values() -> None:
    """Optuna's samplers compare such trials by one objective, or raise."""
    study = optuna.create_study(directions=["minimize", "minimize"])
    result = Result(State.PRUNED, 0.5, measures={"value_1": 7.0}).to_json()
    for state, attrs, curve in (
        (TrialState.PRUNED, {TrialAttrs.RESULT: result}, {0: 0.6, 1: 0.5}),
        (TrialState.RUNNING, {TrialAttrs.PAUSED: result}, {0: 0.5}),
        (TrialState.PRUNED, {}, {0: 0.6}),  # another program's, without a value of the second
        (TrialState.RUNNING, {}, {0: 0.6}),
    ):
        study.add_trial(create_trial(state=state, user_attrs=attrs, intermediate_values=curve))
    seen: list[tuple[str, list[float] | None, int]] = []

    class Looking(RandomSampler):
        def sample_relative(self, study: Any, trial: FrozenTrial, search_space: Any) -> Any:
            trials = study.get_trials(deepcopy=False)[:4]
            seen.extend((t.state.name, t.values, len(t.intermediate_values)) for t in trials)
            return super().sample_relative(study, trial, search_space)

    space, _ = parse(["x=interval(0,1)"])
    study.sampler = DistinctSampler(Looking(), space)
    ask(study, space)
    assert seen[:4] == [
        ("COMPLETE", [0.5, 7.0], 0), ("COMPLETE", [0.5, 7.0], 0), ("PRUNED", None, 0),
        ("RUNNING", None, 1),
    ]  # fmt: skip
