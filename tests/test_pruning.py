import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from rnnexp.execution.current_trial import StudyTrial
from rnnexp.objectives import OTHERS
from rnnexp.pruning import EarlyStoppingPruner, MeansPruner, verdict_of

NAN = math.nan
GOOD = [0.5, 0.4, 0.3, 0.2]
Values = Sequence[float | None]


def study_of(peers: Sequence[Values], direction: str = "minimize") -> optuna.Study:
    study = optuna.create_study(direction=direction)
    for values in peers:
        curve = {epoch: v for epoch, v in enumerate(values) if v is not None}
        study.add_trial(
            optuna.trial.create_trial(state=TrialState.PRUNED, intermediate_values=curve)
        )
    return study


def pruned_at(pruner: EarlyStoppingPruner, study: optuna.Study, values: Values) -> int | None:
    """Return the epoch at which the pruner stops a trial that reports these values."""
    study.pruner = pruner
    trial = study.ask()
    for epoch, value in enumerate(values):
        if value is not None:
            trial.report(value, epoch)
            if trial.should_prune():
                return epoch
    return None


@pytest.mark.parametrize(
    ("knobs", "values", "epoch"),
    [
        ({"patience": 1}, [0.6, 0.4, 0.3, 0.2], 0),
        ({"patience": 2}, [0.6, 0.5, 0.4, 0.3], 1),
        ({"patience": 2}, [0.6, 0.4, 0.4, 0.3], 3),  # caught up at epoch 1: the count begins anew
        ({"patience": 3}, [0.6, 0.5, 0.3, 0.3], None),
        ({"patience": 1}, [0.5, 0.4, 0.3, 0.2], None),  # level is not behind
        ({"patience": 1}, [0.1, 0.9, 0.9, 0.9], None),  # its best so far is still ahead
        ({"patience": 2, "min_delta": 0.2}, [0.6, 0.6, 0.6, 0.6], 3),
        ({"patience": 1, "min_delta": 0.5}, [0.6, 0.6, 0.6, 0.6], None),
        ({"patience": 1, "start_from_epoch": 2}, [0.9, 0.9, 0.9, 0.9], 2),
        ({"patience": 2, "start_from_epoch": 2}, [0.9, 0.9, 0.9, 0.9], 3),
        ({"patience": 1, "n_startup_trials": 4}, [0.9, 0.9, 0.9, 0.9], None),
        ({"patience": 2}, [NAN, NAN, 0.1, 0.1], 1),
        ({"patience": 2}, [0.1, NAN, NAN, 0.1], 2),  # NaN is behind, however good it was
        ({"patience": 2}, [0.6, None, None, 0.6], 3),  # epochs without a value don't count
        ({"patience": 1}, [], None),
        ({"patience": 2, "only_worsening": True}, [0.9, 0.8, 0.7, 0.6], None),
        ({"patience": 2, "only_worsening": True}, [0.9, 0.9, 0.9, 0.6], None),
        ({"patience": 2, "only_worsening": True}, [0.9, 0.91, 0.91, 0.6], 2),
        ({"patience": 2, "only_worsening": True}, [0.9, 0.91, 0.9, 0.91], None),
        ({"patience": 2, "only_worsening": True, "min_delta": 0.1}, [0.9, 0.99, 0.99, 1.1], None),
        ({"patience": 2, "only_worsening": True}, [0.8, None, 0.9, 0.9], 3),
        ({"patience": 2, "only_worsening": True}, [0.7, 0.9, 0.8, 0.6], None),  # it recovers
        ({"patience": 2, "only_worsening": True}, [0.7, 0.9, 0.8, 0.85], 3),
        ({"patience": 2, "only_worsening": True}, [0.7, 0.9, NAN, 0.8], 2),
        ({"patience": 1, "only_worsening": True}, [NAN, 0.9, 0.8, 0.9], 0),
        ({"patience": 1, "only_worsening": True}, [0.1, 0.9, 0.9, 0.9], None),
    ],
)
def test_where_a_trial_is_pruned(knobs: dict[str, Any], values: Values, epoch: int | None) -> None:
    pruner = EarlyStoppingPruner(**({"n_startup_trials": 3} | knobs))
    assert pruned_at(pruner, study_of([GOOD] * 3), values) == epoch
    mirrored = [[-v for v in GOOD]] * 3
    negated = [None if v is None else -v for v in values]
    assert pruned_at(pruner, study_of(mirrored, "maximize"), negated) == epoch


@pytest.mark.parametrize(
    ("knobs", "values", "fold"),
    [
        ({"patience": 1}, [0.6, 0.4], 0),
        ({"patience": 2}, [0.6, 0.45, 0.3], 1),
        ({"patience": 2}, [0.6, 0.4, 0.4, 0.3], 3),
        ({"patience": 1}, [0.4, 0.5, 0.1], 1),  # the first folds were easy ones
        ({"patience": 2, "only_worsening": True}, [0.6, 0.45], 1),  # a mean is no curve
        ({"patience": 1}, GOOD, None),
        ({"patience": 1, "min_delta": 0.2}, [0.6, 0.6, 0.4], None),
    ],
)
def test_means_over_folds_are_judged_by_the_last(
    knobs: dict[str, Any], values: Values, fold: int | None
) -> None:
    peers = [[0.5, 0.4, 0.35, 0.25]] * 2 + [[0.5, 0.4, 0.3, 0.2]]
    pruner = MeansPruner.like(EarlyStoppingPruner(**({"n_startup_trials": 3} | knobs)))
    assert pruned_at(pruner, study_of(peers), values) == fold


@pytest.mark.parametrize(
    ("quantile", "value", "behind"),
    [
        (0.5, 0.31, True),
        (0.5, 0.3, False),
        (0.0, 0.11, True),
        (0.0, 0.1, False),
        (1.0, 0.5, False),
        (1.0, 0.51, True),
        (0.25, 0.21, True),
    ],
)
def test_the_threshold_is_a_quantile_of_the_peers(
    quantile: float, value: float, behind: bool
) -> None:
    study = study_of([[0.1], [0.2], [0.3], [0.4], [0.5]])
    pruner = EarlyStoppingPruner(patience=1, quantile=quantile)
    assert (pruned_at(pruner, study, [value]) == 0) is behind


def test_a_peer_with_nothing_but_nan_is_the_worst() -> None:
    study = study_of([[NAN], [0.1]])
    assert pruned_at(EarlyStoppingPruner(1, quantile=0.0, n_startup_trials=1), study, [0.2]) == 0
    study = study_of([[NAN], [0.1]])
    assert pruned_at(EarlyStoppingPruner(1, quantile=1.0, n_startup_trials=1), study, [9.0]) is None


def test_the_verdict_explains_the_decision() -> None:
    study = study_of([GOOD, GOOD, [0.6], [0.5, 0.5, NAN]])
    trial = study.ask()
    for epoch, value in enumerate([0.9, 0.7, 0.8]):
        trial.report(value, epoch)
    verdict = EarlyStoppingPruner(patience=3, n_startup_trials=3).verdict(study, study.trials[-1])
    assert verdict
    assert (verdict.epoch, verdict.value, verdict.best) == (2, 0.8, 0.7)
    assert (verdict.threshold, verdict.peers, verdict.behind) == (0.3, 3, 3)
    assert str(verdict) == (
        "pruned at epoch 2: 0.8000, best 0.7000, threshold 0.3000 (median of 3 peers)"
    )
    assert "compared_with" not in verdict.known_fields()


@pytest.mark.parametrize(
    ("pruner", "ending"),
    [
        (EarlyStoppingPruner(quantile=0, n_startup_trials=1), "threshold 0.5000 (best of 1 peer)"),
        (EarlyStoppingPruner(quantile=0.25, n_startup_trials=1), "(quantile 0.25 of 1 peer)"),
        (EarlyStoppingPruner(quantile=1.0, n_startup_trials=1), "(worst of 1 peer)"),
        (optuna.pruners.MedianPruner(n_warmup_steps=7), "best 0.9000 (MedianPruner, 1 peer)"),
        (optuna.pruners.ThresholdPruner(upper=0), "best 0.9000 (ThresholdPruner, 1 peer)"),
    ],
)
def test_the_verdict_of_any_pruner_is_short(pruner: optuna.pruners.BasePruner, ending: str) -> None:
    study = study_of([[0.5]])
    study.pruner = pruner
    trial = study.ask()
    trial.report(0.9, 0)
    text = str(verdict_of(study, study.trials[-1]))
    assert text.startswith("pruned at epoch 0: 0.9000")
    assert text.endswith(ending)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"patience": 0}, "patience=0: must be a whole number, at least 1"),
        (
            {"quantile": 1.5, "min_delta": -1.0},
            "min_delta=-1.0: must be a number, at least 0; "
            "quantile=1.5: must be a number from 0, up to 1",
        ),
        ({"n_startup_trials": 0}, "n_startup_trials=0: must be a whole number, at least 1"),
        ({"start_from_epoch": -1}, "start_from_epoch=-1: must be a whole number, at least 0"),
    ],
)
def test_arguments_out_of_range(knobs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EarlyStoppingPruner(**knobs)


def reference(pruner: EarlyStoppingPruner, peers: Sequence[Values], own: Values) -> bool:
    """Return whether the documented rule prunes: behind at `patience` judged epochs in a row."""
    count = 0
    for epoch, value in enumerate(own):
        if value is None or epoch < pruner.start_from_epoch:
            continue
        bests = [best(p, epoch) for p in peers if epoch < len(p) and p[epoch] is not None]
        judged = len(bests) >= pruner.n_startup_trials
        threshold = (
            np.quantile(np.nan_to_num(bests, posinf=1e9), pruner.quantile) if judged else None
        )
        late = judged and (math.isnan(value) or best(own, epoch) > threshold + pruner.min_delta)
        before = best(own, epoch - 1) if epoch else math.inf
        if pruner.only_worsening and value <= before + pruner.min_delta:
            late = False
        count = count + 1 if late else 0
    reported = [value for value in own if value is not None]
    recovers = len(reported) > 1 and reported[-1] < reported[-2]
    return count >= pruner.patience and not (pruner.only_worsening and recovers)


def best(values: Values, epoch: int) -> float:
    numbers = [v for v in values[: epoch + 1] if v is not None and not math.isnan(v)]
    return min(numbers, default=math.inf)


curve = st.lists(st.sampled_from([None, NAN, 0.1, 0.2, 0.3, 0.4, 0.5]), min_size=1, max_size=6)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(curve, max_size=6), curve, st.integers(1, 3), st.integers(0, 2), st.integers(1, 4),
    st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.sampled_from([0.0, 0.15]), st.booleans(),
)  # fmt: skip
def test_the_definition(
    peers: list[Values], own: Values, patience: int, start: int, startup: int, quantile: float,
    delta: float, spare: bool,
) -> None:  # fmt: skip
    pruner = EarlyStoppingPruner(patience, delta, start, quantile, startup, spare)
    study = study_of([*peers, own])
    # The reference reads all epochs up to the last; the pruner judges the last epoch.
    last = study.trials[-1]
    expected = reference(pruner, peers, own) and bool(last.intermediate_values)
    assert pruner.prune(study, last) is expected


def test_the_pruner_reads_stored_values_alone(tmp_path: Any) -> None:
    storage = f"sqlite:///{tmp_path}/optuna.db"
    study = optuna.create_study(storage=storage, study_name="s")
    for values in [GOOD] * 5 + [[0.9, 0.9, 0.9]]:
        trial = study.ask()
        for epoch, value in enumerate(values):
            trial.report(value, epoch)
    loaded = optuna.load_study(storage=storage, study_name="s")
    assert EarlyStoppingPruner().prune(loaded, loaded.trials[-1])
    assert not EarlyStoppingPruner().prune(loaded, loaded.trials[0])


class CountingStorage(optuna.storages.InMemoryStorage):
    """Counts how often all trials are read."""

    reads = 0

    def get_all_trials(self, *args: Any, **options: Any) -> list[optuna.trial.FrozenTrial]:
        self.reads += 1
        return super().get_all_trials(*args, **options)


@pytest.mark.parametrize(
    ("knobs", "values", "reads"),
    [
        ({"only_worsening": True}, [0.9, 0.8, 0.7], False),
        ({"only_worsening": True}, [0.7, 0.9, 0.8], False),  # it recovers
        ({"only_worsening": True}, [0.7, 0.9, 0.9], True),
        ({"only_worsening": True, "patience": 3}, [0.7, 0.9, 0.9], False),
        ({}, [0.9], False),
        ({}, [0.9, 0.8], True),
        ({"start_from_epoch": 1}, [0.9, 0.8], False),
        ({}, [NAN, NAN], True),
    ],
)
def test_peers_are_read_only_if_they_matter(
    knobs: dict[str, Any], values: Values, reads: bool
) -> None:
    storage = CountingStorage()
    study = optuna.create_study(storage=storage, pruner=EarlyStoppingPruner(**knobs))
    trial = study.ask()
    for epoch, value in enumerate(values):
        trial.report(value, epoch)
    before = storage.reads
    trial.should_prune()
    assert (storage.reads > before) is reads


SIZE_4, SIZE_9 = [[4.0]] * 4, [[9.0]] * 4


def study_of_two(peers: Sequence[tuple[Values, Sequence[Sequence[float]]]]) -> optuna.Study:
    """Return a study of a loss and a size, which its trials have reported for each epoch."""
    study = optuna.create_study(directions=["minimize", "minimize"])
    for values, others in peers:
        curve = {epoch: v for epoch, v in enumerate(values) if v is not None}
        sizes = {str(epoch): list(found) for epoch, found in enumerate(others)}
        study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.PRUNED, intermediate_values=curve, user_attrs={OTHERS: sizes}
            )
        )
    return study


@pytest.mark.parametrize(
    ("knobs", "peers", "size", "epoch"),
    [
        ({}, [(GOOD, SIZE_4)], 4.0, 1),  # dominated for two epochs in a row
        ({}, [(GOOD, SIZE_4)], 5.0, 1),
        ({}, [(GOOD, SIZE_4)], 3.0, None),  # better by its size
        ({}, [(GOOD, SIZE_9), (GOOD, SIZE_4)], 5.0, 1),
        ({}, [(GOOD, SIZE_9)], 5.0, None),
        ({}, [(GOOD[:1], SIZE_4)], 5.0, None),  # no peer at the second epoch
        ({"n_startup_trials": 2}, [(GOOD, SIZE_9), (GOOD, SIZE_4)], 5.0, None),
        ({"n_startup_trials": 2}, [(GOOD, SIZE_4), (GOOD, SIZE_4)], 5.0, 1),
        ({"quantile": 0.5}, [(GOOD, SIZE_4), ([1.0] * 4, SIZE_4), ([1.0] * 4, SIZE_4)], 5.0, None),
        ({}, [(GOOD, SIZE_9[:1] + SIZE_4[1:])], 5.0, 2),  # its size at that epoch counts
        ({}, [(GOOD, [])], 5.0, None),  # its size is not known
    ],
)
def test_with_several_objectives_a_trial_is_behind_when_it_is_dominated(
    knobs: dict[str, Any],
    peers: Sequence[tuple[Values, Sequence[Sequence[float]]]],
    size: float,
    epoch: int | None,
) -> None:
    study = study_of_two(peers)
    study.pruner = EarlyStoppingPruner(
        **({"patience": 2, "n_startup_trials": 1, "quantile": 0.0} | knobs)
    )
    trial = StudyTrial(study.ask())
    found = None
    for step in range(4):
        trial.measure(value_1=size)
        trial.report(0.9, step)
        if found is None and trial.should_prune():
            found = step
            assert trial.verdict
            assert trial.verdict.compared_with.endswith(
                " that are no worse by the other objectives"
            )
    assert found == epoch
