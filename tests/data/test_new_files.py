"""Files that a trained model is used on."""

import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnexp.data.new_files import read_examples, read_texts
from rnnexp.data.table import Table
from rnnexp.errors import DataError

TEXTS = ["a good film", 'one, with "quotes"', "두 번 봤다"]


def source(folder: Path, labels: tuple[str, ...] = ("neg", "pos"), **changes: object) -> Table:
    rows = "".join(f"a {word} film {n},{word}\n" for n in range(5) for word in labels)
    (folder / "train.csv").write_text(f"review,opinion\n{rows}")
    options: dict[str, object] = {"task": "classes", "text": "review"}
    return Table(
        train=str(folder / "train.csv"), test=0.4, label="opinion", num_words=None, maxlen=4,
        split="whitespace", seed=0, **(options | changes),
    )  # type: ignore[arg-type]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.csv", lambda frame, file: frame.to_csv(file, index=False)),
        ("a.tsv", lambda frame, file: frame.to_csv(file, index=False, sep="\t", quoting=3)),
        ("a.txt", lambda frame, file: frame.to_csv(file, index=False, sep="\t", quoting=3)),
        ("a.parquet", lambda frame, file: frame.to_parquet(file)),
        (
            "a.jsonl",
            lambda frame, file: frame.to_json(file, orient="records", lines=True),
        ),
    ],
)
def test_a_table_needs_the_column_of_texts_alone(tmp_path: Path, name: str, write: object) -> None:
    frame = pd.DataFrame({"number": range(3), "review": TEXTS})
    write(frame, tmp_path / name)  # type: ignore[operator]
    assert list(read_texts(str(tmp_path / name), source(tmp_path))) == TEXTS


def test_a_text_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = "\n".join([TEXTS[0], "", *TEXTS[1:]])
    (tmp_path / "a.txt").write_bytes(content.encode())
    expected = [TEXTS[0], "", *TEXTS[1:]]
    assert list(read_texts(str(tmp_path / "a.txt"), source(tmp_path))) == expected
    monkeypatch.setattr("sys.stdin", io.StringIO(content + "\n"))
    assert list(read_texts("-", source(tmp_path))) == expected


@pytest.mark.parametrize(
    ("first", "columns", "expected"),
    [
        ("review\topinion", None, ["a film"]),
        ("a film\tpos", ["review", "opinion"], ["a film", "a film"]),
        ("a film\tpos", None, ["a film\tpos", "a film\tneg"]),
        ("a review of it", None, ["a review of it", "a film\tneg"]),
    ],
)
def test_a_txt_file_may_be_a_table(
    tmp_path: Path, first: str, columns: list[str] | None, expected: list[str]
) -> None:
    (tmp_path / "a.txt").write_text(f"{first}\na film\tneg\n")
    found = read_texts(str(tmp_path / "a.txt"), source(tmp_path, columns=columns))
    assert list(found) == expected


def test_several_columns_are_joined(tmp_path: Path) -> None:
    frame = pd.DataFrame({"body": TEXTS, "title": ["A", "B", "C"]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    found = read_texts(str(tmp_path / "a.csv"), source(tmp_path, text=["title", "body"]))
    assert list(found) == [f"{title} {text}" for title, text in zip("ABC", TEXTS, strict=True)]


@pytest.mark.parametrize(
    ("labels", "cells", "expected"),
    [
        (("neg", "pos"), ["pos", " neg "], [1, 0]),
        (("1", "2", "10"), ["10", "2.0", "01"], [2, 1, 0]),
        (("0.5", "1.5"), ["1.5", "0.50"], [1, 0]),
        (("no", "1"), ["1", "no"], [0, 1]),
    ],
)
def test_labels_become_the_numbers_of_classes(
    tmp_path: Path, labels: tuple[str, ...], cells: list[str], expected: list[int]
) -> None:
    data = source(tmp_path, labels)
    frame = pd.DataFrame({"review": ["a film"] * len(cells), "opinion": cells})
    frame.to_csv(tmp_path / "new.csv", index=False)
    found = read_examples(str(tmp_path / "new.csv"), data, data.load())
    assert found.y.tolist() == expected
    assert (found.name, found.x.shape) == ("new.csv", (len(cells), 4))


def test_texts_are_encoded_as_those_of_the_data(tmp_path: Path) -> None:
    data = source(tmp_path)
    dataset = data.load()
    content = pd.DataFrame({"review": data.read()["test"].texts, "opinion": "pos"})
    content.to_csv(tmp_path / "new.csv", index=False)
    found = read_examples(str(tmp_path / "new.csv"), data, dataset)
    np.testing.assert_array_equal(found.x, dataset.test().x)


def test_numbers_of_a_regression(tmp_path: Path) -> None:
    data = source(tmp_path, ("1", "2.5"), task="regression")
    (tmp_path / "new.csv").write_text("opinion,review\n3.5,a film\n-1,another\n")
    found = read_examples(str(tmp_path / "new.csv"), data, data.load())
    assert found.y.tolist() == [3.5, -1]


@pytest.mark.parametrize(
    ("content", "task", "problems"),
    [
        ("review,opinion\na,good\nb,bad\nc,pos\n", "classes",
         ["'opinion' has labels that the model does not know: 'bad', 'good'; it knows 'neg', "]),
        ("review\na\n", "classes", ["has no column 'opinion'; it has: review"]),
        ("text,opinion\na,pos\n", "classes", ["has no column 'review'; it has: text, opinion"]),
        ("review,opinion\n", "classes", ["has no rows"]),
        ("review,opinion\na,\n ,pos\n", "classes",
         ["1 rows without a 'review'", "does not know: ''"]),
        ("review,opinion\na,many\n", "regression", ["label 'opinion' is not a finite number"]),
    ],
)  # fmt: skip
def test_every_problem_of_a_file_with_labels(
    tmp_path: Path, content: str, task: str, problems: list[str]
) -> None:
    labels = ("1", "2") if task == "regression" else ("neg", "pos")
    data = source(tmp_path, labels, task=task)
    (tmp_path / "new.csv").write_text(content)
    with pytest.raises(DataError) as raised:
        read_examples(str(tmp_path / "new.csv"), data, data.load())
    for problem in problems:
        assert problem in str(raised.value)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("no.csv", "no.csv does not exist; accepted files are .csv"),
        ("a.docx", "a.docx is of an unknown kind; accepted files are .csv"),
        ("empty.csv", "it is empty"),
        ("latin.txt", "latin.txt can't be read: 'utf-8' codec can't decode byte 0xe9"),
        ("cut.txt.gz", "cut.txt.gz can't be read: Compressed file ended"),
        ("other.csv", "has no column 'review'; it has: reviews; did you mean reviews?"),
    ],
)
def test_files_that_can_not_be_read(tmp_path: Path, name: str, problem: str) -> None:
    for file, content in (("a.docx", "x"), ("empty.csv", ""), ("other.csv", "reviews\na\n")):
        (tmp_path / file).write_text(content)
    (tmp_path / "latin.txt").write_bytes("caf\u00e9".encode("latin-1"))
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(b"a film\n" * 99)[:-9])
    with pytest.raises(DataError, match="1 problem in the input") as raised:
        read_texts(str(tmp_path / name), source(tmp_path))
    assert problem in str(raised.value)
