import optuna

from rnnexp.pruning import BLOCK, EarlyStoppingPruner, verdict_of
from rnnexp.search.sampling import DistinctSampler
from rnnexp.search.space import parse
from rnnexp.trial_reader import TrialReader


def numbers(trials: list[optuna.trial.FrozenTrial]) -> list[int]:
    return [trial.number for trial in trials]


def test_each_trial_that_has_ended_is_read_once() -> None:
    study = optuna.create_study()
    reader = TrialReader(study)
    assert (reader.newly_ended(), reader.unfinished) == ([], [])
    for _ in range(5):
        study.ask()
    for told, read, left in (
        ([1, 3], [1, 3], [0, 2, 4]), ([], [], [0, 2, 4]), ([0], [0], [2, 4]), ([4], [4], [2]),
        ([2], [2], []), ([], [], []),
    ):  # fmt: skip
        for number in told:
            study.tell(number, 0.5)
        assert numbers(reader.newly_ended()) == read
        assert numbers(reader.unfinished) == left
    study.ask()
    assert (reader.newly_ended(), numbers(reader.unfinished)) == ([], [5])


def test_a_pruner_that_has_read_a_study_decides_as_one_that_reads_it_anew() -> None:
    storage = optuna.storages.InMemoryStorage()
    pruner = EarlyStoppingPruner(2, quantile=0.5, n_startup_trials=2)
    study = optuna.create_study(study_name="s", storage=storage, pruner=pruner)
    seen = 0
    for number in range(BLOCK * 2 // 3):
        side, trial = study.ask(), study.ask()  # one runs next to it, and ends in between
        for epoch in range(4):
            value = (number * 7 % 5) / 5 + epoch / 10
            trial.report(value, epoch)
            if epoch < 2:
                side.report(value + 1, epoch)
            if epoch == 2:
                study.tell(side, value)
            anew = optuna.load_study(study_name="s", storage=storage, pruner=pruner)
            stored = anew.trials[trial.number]
            assert verdict_of(study, stored) == verdict_of(anew, stored)
            seen += trial.should_prune()
        study.tell(trial, 0.5)
    assert 0 < seen < 4 * BLOCK * 2 // 3


def test_tried_params_are_those_of_earlier_trials() -> None:
    space, _ = parse(["x=choice(1,2,3)"])
    sampler = DistinctSampler(optuna.samplers.RandomSampler(seed=0), space)
    study = optuna.create_study(sampler=sampler)
    trials = [study.ask(space.distributions) for _ in range(3)]
    study.tell(trials[2], 0.5)
    tried = [frozenset(trial.params.items()) for trial in trials]
    for before in (0, 1, 2, 3):
        found = sampler._tried_in(study).before(before)
        assert [params in found for params in tried] == [n < before for n in range(3)]
