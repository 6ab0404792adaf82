"""Best possible test accuracy on the generated reviews, and that of simple models.

    python benchmarks/generated.py

The script prints test accuracies as a Markdown table, then the best possible values in the other
two tasks. All models are trained on the same reviews. The bag of words is also trained on ten times
as many, which shows that more data don't help it.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from rnnexp.data.generated import Generated, generate

ROOT = Path(__file__).parents[1]
SEED, NOISE = 0, 0.05


def reviews(n_train: int) -> tuple[list[str], list[int], list[str], list[int]]:
    """Return training texts and labels, and texts and labels of the default test part."""
    source = Generated(
        n_train=n_train, n_test=2000, noise=NOISE, num_words=None, maxlen=30,
        split="whitespace", seed=SEED,
    )  # fmt: skip
    train, test = source.read().values()
    return list(train.texts), list(train.labels), list(test.texts), list(test.labels)


def bag_of_words(n_train: int, longest: int) -> float:
    """Return the test accuracy of logistic regression on counts of words.

    Args:
        n_train: The number of training reviews.
        longest: The largest number of words in a row that are counted as a unit.
    """
    x_train, y_train, x_test, y_test = reviews(n_train)
    bags = CountVectorizer(ngram_range=(1, longest))
    model = make_pipeline(bags, LogisticRegression(max_iter=2000)).fit(x_train, y_train)
    return float(model.score(x_test, y_test))


def ceiling(task: str) -> float:
    """Return the accuracy, or mean squared error, of the true labels on the default test part."""
    stream = np.random.SeedSequence(SEED).spawn(2)[1]
    _, labels, truth = generate(2000, NOISE, np.random.default_rng(stream), task)
    errors = np.array(labels) - np.array(truth)
    return float(np.mean(errors**2 if task == "regression" else errors == 0))


def tutorial() -> float:
    """Return the test accuracy that `python sweep.py` prints."""
    with tempfile.TemporaryDirectory() as folder:
        ended = subprocess.run(
            [sys.executable, ROOT / "sweep.py", f"seed={SEED}"],
            cwd=folder, capture_output=True, text=True, check=True,
        )  # fmt: skip
    found = re.search(r"^loss [\d.]+, accuracy ([\d.]+)$", ended.stdout, re.MULTILINE)
    return float(found[1]) if found else float("nan")


def main() -> None:
    """Measure and print Markdown tables."""
    rows = {
        f"ceiling, expected (1 - noise = {1 - NOISE})": 1 - NOISE,
        "ceiling, on the 2,000 test reviews": ceiling("binary"),
        "bag of words, 12,000 training reviews": bag_of_words(12_000, 1),
        "bag of words, 120,000 training reviews": bag_of_words(120_000, 1),
        "bag of words and word pairs, 12,000 training reviews": bag_of_words(12_000, 2),
        "the tutorial's model (python sweep.py)": tutorial(),
    }
    print("| | test accuracy |\n|---|---|")
    for name, accuracy in rows.items():
        print(f"| {name} | {accuracy:.3f} |")
    print_other_ceilings()


def print_other_ceilings() -> None:
    """Print the best possible values in the other two tasks."""
    print("\n| | expected | on the 2,000 test reviews |\n|---|---|---|")
    print(f"| task=classes, accuracy | {1 - NOISE:.3f} | {ceiling('classes'):.3f} |")
    mse = ceiling("regression")
    print(f"| task=regression, mean squared error | {NOISE**2:.5f} | {mse:.5f} |")


if __name__ == "__main__":
    main()
