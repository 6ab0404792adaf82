import numpy as np
import pytest

from rnnexp.data.generated import Clause, Generated, generate, opinion

GOOD, BAD, VERY_BAD = Clause("x was good", 1), Clause("y was bad", -1), Clause("y was very bad", -2)


@pytest.mark.parametrize(
    ("clauses", "joiners", "expected"),
    [
        ([GOOD], [], 1),
        ([GOOD, VERY_BAD], ["and"], -1),
        ([GOOD, BAD], ["but"], -1),
        ([BAD, GOOD], ["but"], 1),  # the same words in another order
        ([VERY_BAD, GOOD, GOOD], ["but", "and"], 2),
        ([GOOD, GOOD, BAD], ["and", "but"], -1),
    ],
)
def test_opinion(clauses: list[Clause], joiners: list[str], expected: int) -> None:
    assert opinion(clauses, joiners) == expected


def test_the_seed_determines_the_reviews_and_the_parts_differ() -> None:
    def read(seed: int) -> tuple[list[str], list[str]]:
        source = Generated(
            n_train=50, n_test=50, num_words=None, maxlen=30, split="whitespace", seed=seed
        )
        train, test = source.read()
        return list(train.texts), list(test.texts)

    assert read(1) == read(1)
    assert read(1) != read(2)
    assert read(1)[0] != read(1)[1]


def test_the_noise_is_the_share_of_labels_turned_over() -> None:
    _, labels, truth = generate(20_000, 0.05, np.random.default_rng(0))
    flipped = np.mean(np.array(labels) != np.array(truth))
    assert flipped == pytest.approx(0.05, abs=0.005)  # over 3 standard deviations
    assert np.mean(truth) == pytest.approx(0.5, abs=0.015)
