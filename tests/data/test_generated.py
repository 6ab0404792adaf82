import hashlib
import json

import numpy as np
import pytest

from rnnexp.data.generated import Clause, Generated, generate, opinion
from rnnexp.errors import DataError

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
        train, test = source.read().values()
        return list(train.texts), list(test.texts)

    assert read(1) == read(1)
    assert read(1) != read(2)
    assert read(1)[0] != read(1)[1]


def test_the_noise_is_the_share_of_labels_turned_over() -> None:
    _, labels, truth = generate(20_000, 0.05, np.random.default_rng(0))
    flipped = np.mean(np.array(labels) != np.array(truth))
    assert flipped == pytest.approx(0.05, abs=0.005)  # over 3 standard deviations
    assert np.mean(truth) == pytest.approx(0.5, abs=0.015)


def test_the_binary_reviews_stay_what_they_were() -> None:
    # Of benchmarks and recorded curves; a task more must not draw other reviews.
    drawn = json.dumps(generate(200, 0.05, np.random.default_rng(0)))
    assert hashlib.sha256(drawn.encode()).hexdigest() == (
        "507ec14aa9239d286e2d475a4d2a88248655d5c092f154f36682a35ed03a0c91"
    )


def test_stars_follow_the_total_and_another_one_comes_as_often_as_any() -> None:
    n, noise = 20_000, 0.1
    texts, labels, truth = generate(n, noise, np.random.default_rng(0), "classes")
    stars, counts = np.unique(truth, return_counts=True)
    assert stars.tolist() == [1, 2, 3, 4, 5]
    assert counts / n == pytest.approx([0.19, 0.27, 0.08, 0.27, 0.19], abs=0.015)
    accuracy = np.mean(np.array(labels) == np.array(truth))
    assert accuracy == pytest.approx(1 - noise, abs=0.007)  # over 3 standard deviations
    for star in stars:
        others = np.array(labels)[(np.array(truth) == star) & (np.array(labels) != star)]
        _, found = np.unique(others, return_counts=True)
        assert found / len(others) == pytest.approx([0.25] * 4, abs=0.12)  # over 3, of 160
    by_text = dict(zip(texts, truth, strict=True))
    assert all(by_text[text] == star for text, star in zip(texts, truth, strict=True))


def test_the_noise_of_a_regression_is_its_standard_deviation() -> None:
    n, noise = 20_000, 0.5
    texts, labels, truth = generate(n, noise, np.random.default_rng(0), "regression")
    errors = np.array(labels) - np.array(truth)
    assert np.mean(errors**2) == pytest.approx(noise**2, rel=0.03)  # 3 standard deviations
    assert np.mean(errors) == pytest.approx(0, abs=0.012)
    assert set(truth) == set(range(-6, 7))
    by_text = dict(zip(texts, truth, strict=True))
    assert all(by_text[text] == total for text, total in zip(texts, truth, strict=True))


@pytest.mark.parametrize(
    ("task", "classes", "kind"),
    [
        ("binary", (0, 1), np.int64),
        ("classes", (1, 2, 3, 4, 5), np.int64),
        ("regression", (), np.float32),
    ],
)
def test_every_task_is_encoded(task: str, classes: tuple[int, ...], kind: type) -> None:
    dataset = Generated(
        n_train=200, n_test=50, num_words=None, maxlen=30, split="whitespace", seed=0, task=task
    ).load()
    assert (dataset.task, dataset.classes, dataset.validation()) == (task, classes, None)
    for part in (dataset.train(), dataset.test()):
        assert (part.y.dtype, part.weight) == (kind, None)


@pytest.mark.parametrize(
    ("task", "noise", "message"),
    [
        ("binary", 0.5, "data.noise=0.5: must be a number from 0, below 0.5"),
        ("classes", 0.5, "data.noise=0.5: must be a number from 0, below 0.5"),
        ("regression", -0.1, r"data.noise=-0.1: must be a number from 0, below 1e\+30"),
        ("regression", float("inf"), "data.noise=inf: must be a number from 0"),
        ("regression", float("nan"), "data.noise=nan: must be a number from 0"),
        ("regression", "much", "data.noise=much: must be a number from 0"),
    ],
)
def test_arguments_that_can_not_work(task: str, noise: float, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Generated(
            num_words=None, maxlen=30, split="whitespace", seed=0, task=task, noise=noise
        ).load()


def test_a_regression_may_be_noisier_than_classes() -> None:
    source = Generated(
        num_words=None, maxlen=30, split="whitespace", seed=0, task="regression", noise=2.0
    )
    assert source.problems() == []
