import optuna
import pytest
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from rnnexp.search.sampling import DistinctSampler, OtherSeeds, settings_of
from rnnexp.search.space import parse


class Stubborn(RandomSampler):
    """Has one idea only."""

    def sample_independent(self, study, trial, name, distribution):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, ARG002
        return distribution.choices[0] if hasattr(distribution, "choices") else distribution.low


def settings(sampler: BaseSampler, arguments: list[str], trials: int) -> list[dict[str, object]]:
    space, problems = parse(arguments)
    assert not problems
    study = optuna.create_study(sampler=DistinctSampler(sampler, space))
    for number in range(trials):
        # Half of them are still running when the next is asked for, as with two workers.
        trial = study.ask(space.distributions)
        if number % 2:
            study.tell(trial, float(number))
    return list(settings_of(study))


@pytest.mark.parametrize("sampler", [RandomSampler(0), TPESampler(seed=0), Stubborn()])
@pytest.mark.parametrize(
    ("arguments", "trials"),
    [
        (["a=choice(1,2,3)", "b=range(0,4)"], 12),
        (["a=choice(x,y)", "b=range(0.1,0.5,0.1)", "c=choice(z)"], 8),
        (["a=choice(1,2)", "b=interval(0,1)"], 12),
    ],
)
def test_no_setting_comes_twice(sampler: BaseSampler, arguments: list[str], trials: int) -> None:
    drawn = settings(sampler, arguments, trials)
    assert len({frozenset(setting.items()) for setting in drawn}) == trials


def test_when_all_were_tried_one_comes_again() -> None:
    drawn = settings(RandomSampler(0), ["a=choice(1,2)"], 3)
    assert {setting["a"] for setting in drawn} == {1, 2}


def test_the_sampler_is_left_to_itself_while_nothing_repeats() -> None:
    space, _ = parse(["a=interval(0,1)", "b=tag(log,interval(1,10))"])
    drawn = settings(TPESampler(seed=1), ["a=interval(0,1)", "b=tag(log,interval(1,10))"], 20)
    study = optuna.create_study(sampler=TPESampler(seed=1))
    for number in range(20):
        trial = study.ask(space.distributions)
        if number % 2:
            study.tell(trial, float(number))
    assert drawn == list(settings_of(study))


def test_what_is_enqueued_counts() -> None:
    space, _ = parse(["a=choice(1,2)", "b=choice(1,2)"])
    study = optuna.create_study(sampler=DistinctSampler(RandomSampler(0), space))
    study.enqueue_trial({"a": 2})
    for _ in range(4):
        study.tell(study.ask(space.distributions), 0.0)
    drawn = list(settings_of(study))
    assert drawn[0]["a"] == 2
    assert len({frozenset(setting.items()) for setting in drawn}) == 4


def test_another_seed_for_every_repeat() -> None:
    assert [OtherSeeds("fit.seed", 7).override(n) for n in (1, 2)] == ["fit.seed=8", "fit.seed=9"]
