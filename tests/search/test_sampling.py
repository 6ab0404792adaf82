import optuna
import pytest
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from rnnexp.search.sampling import DistinctSampler, tried_params
from rnnexp.search.space import parse


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
