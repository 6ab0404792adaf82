import gzip
import hashlib
import os
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnexp.data.table import Table
from rnnexp.errors import DataError
from rnnexp.identity import digest

ROWS = [("good film", "1"), ("NA", "0"), ('a, "quoted" one', "1"), ("두 번 봤다", "0")]


def table(train: Path, tested: Path | None = None, **changes: object) -> Table:
    options = {"text": "text", "label": "label", "split": "whitespace", "maxlen": 8}
    options |= {"test": str(tested or train)} | changes
    return Table(train=str(train), num_words=None, seed=0, **options)  # type: ignore[arg-type]


def frame() -> pd.DataFrame:
    return pd.DataFrame(ROWS, columns=["text", "label"])


# Without the time, since a test's name has to be the same in every process.
CUT_OFF = gzip.compress(b"text,label\ngood,1\nbad,0\n" * 99, mtime=0)[:-9]


def write_gz(file: Path) -> None:
    file.write_bytes(gzip.compress(frame().to_csv(index=False, sep="\t").encode()))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.csv", lambda file: frame().to_csv(file, index=False)),
        ("a.csv", lambda file: frame().to_csv(file, index=False, encoding="utf-8-sig")),
        ("a.tsv", lambda file: frame().to_csv(file, index=False, sep="\t")),
        ("a.tsv.gz", write_gz),
        ("a.parquet", lambda file: frame().astype({"label": int}).to_parquet(file)),
    ],
)
def test_every_kind_of_file_reads_alike(tmp_path: Path, name: str, write: object) -> None:
    write(tmp_path / name)  # type: ignore[operator]
    train, test = table(tmp_path / name).read().values()
    assert list(train.texts) == [text for text, _ in ROWS]
    assert list(train.labels) == [1, 0, 1, 0]
    assert train == test


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["neg", "pos"], ["neg", "pos"]),
        (["01", "2"], [1, 2]),
        (["1_0", "10"], ["1_0", "10"]),
        (["nan", "1"], ["nan", "1"]),
        (["-1", "1"], [-1, 1]),
        (["0.5", "1"], [0.5, 1.0]),
        (["1.0", "2.0"], [1, 2]),
        (["nan?", "1"], ["nan?", "1"]),
    ],
)
def test_labels(tmp_path: Path, labels: list[str], expected: list[object]) -> None:
    pd.DataFrame({"text": ["a", "b"], "label": labels}).to_csv(tmp_path / "a.csv", index=False)
    assert list(table(tmp_path / "a.csv").read()["train"].labels) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"text,label\ncaf\xe9,1\nbad,0\n", "not UTF-8: byte 0xe9"),
        ("a.csv", b"", "can't be read: it is empty"),
        ("a.csv", b"text,label\n", "has no rows"),
        ("a.csv", b"text,stars\ngood,1\n", "has no column 'label'; it has: text, stars"),
        ("a.csv", b"text,label\ngood,\n,1\n", "1 rows without a 'text' (the first are rows 2)"),
        ("a.csv", b"text,label\ngood,1\nfine,1\n", "every training label is 1"),
        ("a.csv", b'text,label\n"good,1\n', "can't be read"),
        ("a.csv.gz", b"text,label\ngood,1\n", "can't be read"),
        ("a.parquet", b"PAR1 but no more", "can't be read"),
        ("a.json", b"{}", "unknown kind"),
        (
            "a.csv",
            b"text,label\nwell,1\nwell, good,1\nwell, bad,0\n",
            "has 2 rows with more fields than its header, which has 2 (the first is at line 3, "
            "with 3); a text with a comma in it must be in double quotes",
        ),
        ("a.csv.gz", CUT_OFF, "can't be read"),
        ("a.csv.gz", b"\x1f\x8b\x08\x00" + b"\xff" * 40, "can't be read"),
    ],
)
def test_files_that_can_not_be_used(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        table(file).load()
    assert any(message in problem for problem in caught.value.problems)


ONE = "text,label\ngood,1\nbad,0\n"
STRAY = "text\tlabel\n" + '"a good one\tpos\na bad one\tneg\n' * 9


@pytest.mark.parametrize(
    ("name", "content", "texts", "labels"),
    [
        ("a.tsv", STRAY.encode(), ['"a good one', "a bad one"] * 9, ["pos", "neg"] * 9),
        ("a.tsv", b'text\tlabel\n"so" good\t1\n"bad"\t0\n', ['"so" good', '"bad"'], [1, 0]),
        ("a.tsv", b'text\tlabel\n"so ""good"""\t1\nbad\t0\n', ['so "good"', "bad"], [1, 0]),
        ("a.tsv", b'"text"\t"label"\n"good"\t"1"\n"bad"\t"0"\n', ["good", "bad"], [1, 0]),
        ("A.CSV", b"text,label\ngood,1\nbad,0\n", ["good", "bad"], [1, 0]),
        ("a.csv", b"\xef\xbb\xbftext,label\ngood,1\nbad,0\n", ["good", "bad"], [1, 0]),
        ("a.csv", "text,label\n좋다,1\n나쁘다,0\n".encode("utf-16"), ["좋다", "나쁘다"], [1, 0]),
        ("a.csv", b"\n\ntext,label\ngood,1\nbad,0\n", ["good", "bad"], [1, 0]),
        ("a.csv", b"text,label\r\ngood,1\r\n\r\nbad,0", ["good", "bad"], [1, 0]),
        ("a.csv", b" text , label\ngood, 1\nbad,0 \n", ["good", "bad"], [1, 0]),
        ("a.csv", b'text, label\n"good", "1"\nbad, "0"\n', ["good", "bad"], [1, 0]),
        ("a.csv", b"text,label,x\ngood,1\nbad,0,,\n", ["good", "bad"], [1, 0]),
        ("a.csv", b'text,label\n"two\nlines, really",1\nbad,0\n', ["two\nlines, really", "bad"],
         [1, 0]),
        ("a.csv", b"text,label\n" + b"x" * 200_000 + b",1\nbad,0\n", ["x" * 200_000, "bad"],
         [1, 0]),
        ("a.csv", b"text,label\ngood,True\nbad,False\n", ["good", "bad"], ["True", "False"]),
        ("a.csv", b"text,label\nNA,a\nnull,None\n", ["NA", "null"], ["a", "None"]),
        ("a.csv", b"text,label\ngood,9007199254740993\nbad,9007199254740992\n", ["good", "bad"],
         [9007199254740993, 9007199254740992]),
    ],
)  # fmt: skip
def test_text_files(
    tmp_path: Path, name: str, content: bytes, texts: list[str], labels: list[object]
) -> None:
    (tmp_path / name).write_bytes(content)
    train = table(tmp_path / name).read()["train"]
    assert (list(train.texts), list(train.labels)) == (texts, labels)


@pytest.mark.parametrize(
    ("frame", "labels"),
    [
        (pd.DataFrame({"text": ["bad", "good"], "label": [0, 1]}, index=[1, 0]), [0, 1]),
        (pd.DataFrame({"text": ["bad", "good"], "label": [0, 1]}).set_index("text"), [0, 1]),
        (pd.DataFrame({"text": ["bad", "good"], "label": [0.0, 1.0]}), [0, 1]),
        (pd.DataFrame({"text": ["bad", "good"], "label": [0.1, 0.5]}, dtype="object")
         .astype({"label": "float32"}), [0.1, 0.5]),
        (pd.DataFrame({"text": ["bad", "good"], "label": pd.array([0, 1], "Int64")}), [0, 1]),
        (pd.DataFrame({"text": ["bad", "good"], "label": ["n", "p"]}, dtype="category"),
         ["n", "p"]),
        (pd.DataFrame({"text": [b"bad", b"good"], "label": [b"n", b"p"]}), ["n", "p"]),
        (pd.DataFrame({"text": ["bad", "good"], "label": [0, 1], "more": [[1], [2]]}), [0, 1]),
        (pd.DataFrame({"text": ["bad", "good"], "label": [True, False]}), ["True", "False"]),
    ],
)  # fmt: skip
def test_parquet_files(tmp_path: Path, frame: pd.DataFrame, labels: list[object]) -> None:
    frame.to_parquet(tmp_path / "a.parquet")
    train = table(tmp_path / "a.parquet").read()["train"]
    assert (list(train.texts), list(train.labels)) == (["bad", "good"], labels)


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        (pd.DataFrame({"text": ["a", None], "label": [0, 1]}), "1 rows without a 'text'"),
        (pd.DataFrame({"text": ["a", "b"], "label": pd.array([0, None], "Int64")}),
         "1 rows without a 'label' (the first are rows 2)"),
        (pd.DataFrame({"text": [["a"], ["b"]], "label": [0, 1]}),
         "column 'text': its cells are of type list<"),
        (pd.DataFrame({"Text": ["a", "b"], "label": [0, 1]}, index=[1, 0]),
         "has no column 'text'; it has: Text, label; did you mean Text?"),
    ],
)  # fmt: skip
def test_parquet_files_that_cant_be_used(tmp_path: Path, frame: pd.DataFrame, problem: str) -> None:
    frame.to_parquet(tmp_path / "a.parquet")
    found, *_ = problems(table(tmp_path / "a.parquet"))
    assert problem in found


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", 'text,label\n"good,1\nbad,0\n"fine,1\nso,0\n',
         "can't be read: in the row at line 2 a quotation mark opens a cell, and none closes it at "
         "the cell's end"),
        ("a.csv", 'text,label\nwell,1\n"good,1\nbad,0\nfine,1\nso ""so"" mark",0\n',
         "has other rows inside the quotation marks of the row at line 3, such as 'good,1'"),
        ("a.tsv", 'text\tlabel\n"a\ttab"\t1\nbad\t0\n',
         "has 1 rows with more fields than its header, which has 2 (the first is at line 2, with "
         "3); a text can't have a tab in it, and quotes don't change that; save it as .csv"),
        ("a.csv", "Text,label\ngood,1\n", "has no column 'text'; it has: Text, label; did you "
                                           "mean Text?"),
        ("a.csv", "text,lable\ngood,1\n", "has no column 'label'; it has: text, lable; did you "
                                           "mean lable?"),
        ("a.csv", "text;label\ngood, so;1\n", "its columns are separated by ';', not by ',': "
         "text;label; save it with commas as .csv, or with tabs as .tsv"),
        ("a.csv", '"text";"label"\n"good";"1"\n', "its columns are separated by ';'"),
        ("a.csv", "good;1\nbad;0\n", "its columns are separated by ';'"),
        ("a.csv", "sep=;\ntext;label\ngood;1\n", "its columns are separated by ';'"),
        ("a.csv", "text\tlabel\ngood, so\t1\n", "its columns are separated by '\\t'"),
        ("a.tsv", "text,label\ngood,1\n", "its columns are separated by ','"),
        ("a.csv", "t\0e\0x\0t\0,\0", "is not UTF-8: it has bytes of zero; save it as UTF-8"),
        ("a.csv", "good,pos\nbad,neg\nfine,pos\n", "has no column 'text'; it has: good, pos. Its "
         "first row looks like data; add a row of names above it: text,label"),
        ("a.csv", "good,0.5\nbad,0.7\n", "Its first row looks like data"),
        ("a.csv", "text,label,text\ngood,1,x\n", "has 2 columns 'text'; rename all but one"),
        ("a.csv", "text,label\ngood,\nbad, \n", "2 rows without a 'label' (the first are rows 1"),
        ("a.parquet.gz", "", "is of an unknown kind"),
    ],
)  # fmt: skip
def test_tables_that_would_be_misread(
    tmp_path: Path, name: str, content: str, problem: str
) -> None:
    (found,) = problems(table(write(tmp_path / name, content), write(tmp_path / "t.csv", ONE)))
    assert problem in found


def test_a_test_part_that_is_a_share_of_the_training_file(tmp_path: Path) -> None:
    rows = [f"word{number % 40},{'abbb'[number % 4]}" for number in range(80)]
    file = write(tmp_path / "a.csv", "\n".join(["text,label", *rows]))
    train, test = (table(file, test=0.2).read()[part] for part in ("train", "test"))
    assert (len(train.texts), len(test.texts)) == (64, 16)
    assert not set(train.texts) & set(test.texts)
    assert sorted(map(str, test.labels)) == ["a"] * 4 + ["b"] * 12
    write(file, "\n".join(["text,label", *reversed(rows)]))
    assert set(table(file, test=0.2).read()["test"].texts) == set(test.texts)


@pytest.mark.parametrize("share", [0.0, 1, -0.5, None, True])
def test_shares_that_cant_be(tmp_path: Path, share: object) -> None:
    file = write(tmp_path / "a.csv", ONE)
    assert problems(table(file, test=share)) == (
        f"data.test={share}: must be a number between 0 and 1, both excluded, as a share of "
        "data.train, or a file",
    )


def test_a_share_of_too_few_texts(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "text,label\n" + "good,1\nbad,0\n" * 10)
    assert problems(table(file, test=0.2)) == (
        "data.test=0.2 leaves no row to train on, or none to test on: data.train has 20 rows with "
        "2 different texts, and the rows of one text stay together; give another share, more rows, "
        "or a file",
    )


def test_text_and_label_are_two_columns(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", ONE)
    (found,) = problems(table(file, text="label"))
    assert found.startswith("data.text=label and data.label=label are one column")


def test_the_test_file_is_not_validated_on(tmp_path: Path) -> None:
    train, test = write(tmp_path / "a.csv", ONE), write(tmp_path / "b.csv", ONE)
    other = tmp_path / "link.csv"
    other.symlink_to(test)
    (found,) = problems(table(train, test, validation=str(other)))
    assert "is the file of data.test too" in found
    (found,) = problems(table(train, test, validation=str(test)))
    assert found.startswith(f"fit.validation_data={test} is the file of data.test too")


def test_columns_may_have_numbers_for_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("0,1\ngood,1\nbad,0\n")
    train = table(tmp_path / "a.csv", text=0, label=1).read()["train"]
    assert list(train.texts) == ["good", "bad"]


def test_parquet_labels_of_any_type(tmp_path: Path) -> None:
    for labels, classes in (
        ([True, False], ["True", "False"]),  # as in a CSV file
        ([0.5, 1.5], [0.5, 1.5]),
        ([date(2020, 1, 1), date(2021, 1, 2)], ["2020-01-01", "2021-01-02"]),
    ):  # fmt: skip
        pd.DataFrame({"text": ["a", "b"], "label": labels}).to_parquet(tmp_path / "a.parquet")
        assert list(table(tmp_path / "a.parquet").read()["train"].labels) == classes


def test_the_problems_of_both_files_come_together(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        table(tmp_path / "no.csv", tmp_path).load()
    assert len(caught.value.problems) == 2
    assert "does not exist" in caught.value.problems[0]
    assert "is a folder" in caught.value.problems[1]


def test_labels_that_only_the_test_part_has_are_a_problem(tmp_path: Path) -> None:
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text("text,label\na,neg\nb,pos\n")
    test.write_text("text,label\na,neg\nb,neutral\n")
    with pytest.raises(DataError, match="'neutral'; the training part has 'neg', 'pos'"):
        table(train, test).load()


def write(file: Path, content: str) -> Path:
    file.write_text(content)
    return file


def problems(source: Table) -> tuple[str, ...]:
    with pytest.raises(DataError) as caught:
        source.load()
    return caught.value.problems


def test_a_validation_file_is_encoded_like_the_training_part(tmp_path: Path) -> None:
    train = write(tmp_path / "train.csv", "text,label\ngood good,pos\nbad,neg\n")
    validation = write(tmp_path / "v.tsv", "text\tlabel\nbad\tneg\ngood\tpos\nunseen\tpos\n")
    dataset = table(train, validation=str(validation), maxlen=1).load()
    part = dataset.validation()
    assert part is not None
    assert part.x.tolist() == [[4], [3], [2]]
    assert part.y.tolist() == [0, 1, 1]
    assert dataset.words == ("good", "bad")
    assert all(isinstance(array, np.memmap) for array in (part.x, part.y, dataset.train().x))
    assert table(train).load().validation() is None


def test_the_problems_of_a_validation_file(tmp_path: Path) -> None:
    train = write(tmp_path / "train.csv", "text,label\na,neg\nb,pos\n")
    other = write(tmp_path / "v.csv", "text,label\na,neutral\n")
    assert problems(table(train, validation=str(other))) == (
        "the validation part has labels that are not in the training part: 'neutral'; "
        "the training part has 'neg', 'pos'",
    )
    missing = tmp_path / "no.csv"
    (problem,) = problems(table(train, validation=str(missing)))
    assert problem.startswith(f"data.validation={missing} does not exist")
    empty = write(tmp_path / "empty.csv", "text,stars\n")
    (problem,) = problems(table(train, validation=str(empty)))
    assert problem == f"data.validation={empty} has no column 'label'; it has: text, stars"


def test_all_that_is_read_of_a_file_is_in_the_key(tmp_path: Path) -> None:
    content = "text,label,w,v\na,1,1,2\nb,0,2,1\n"
    train, validation = (write(tmp_path / name, content) for name in ("a.csv", "b.csv"))
    made = [
        table(train).load().folder,
        table(train, validation=str(validation)).load().folder,
        table(train, weight="w").load().folder,
        table(train, weight="v").load().folder,
        table(train, task="classes").load().folder,
    ]
    write(validation, content.replace("b,0", "c,0"))
    made.append(table(train, validation=str(validation)).load().folder)
    assert len(set(made)) == len(made)


def test_a_file_is_digested_once_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    real = hashlib.file_digest
    monkeypatch.setattr(
        hashlib, "file_digest", lambda file, kind: (made.append(file), real(file, kind))[1]
    )
    file = write(tmp_path / "a.csv", "one")
    first = digest(file)
    assert digest(file) == first
    assert len(made) == 1
    write(file, "two")
    os.utime(file, ns=(0, 0))
    assert digest(file) != first
    assert len(made) == 2


def test_weights_stay_with_their_reviews(tmp_path: Path) -> None:
    rows = [f"w{i},{i % 2},{i / 4}" for i in range(20)]
    train = write(tmp_path / "a.csv", "\n".join(["text,label,w", *rows]))
    test = write(tmp_path / "test.csv", "text,label\nw1,1\n")
    dataset = table(train, test, weight="w", validation=str(train), maxlen=1).load()
    part, validation = dataset.train(), dataset.validation()
    assert part.weight is not None
    assert validation is not None
    assert validation.weight is not None
    assert part.weight.dtype == np.float32
    words = [dataset.words[number - 3] for number in part.x[:, 0]]
    assert [f"w{int(weight * 4)}" for weight in part.weight] == words
    assert validation.weight.tolist() == [i / 4 for i in range(20)]
    assert dataset.test().weight is None


@pytest.mark.parametrize(
    ("weights", "problem"),
    [
        (["1", "-1", "x"], "2 rows whose weight 'w' is not a finite number, at least 0 "
                           "(the first are row 2: '-1', row 3: 'x')"),
        (["1", "nan", ""], "2 rows whose weight 'w' is not a finite number, at least 0 "
                           "(the first are row 2: 'nan', row 3: '')"),
        (["inf", "1e39", "1_0"], "3 rows whose weight"),
        (["0", "0.0", "-0"], "every weight 'w' is 0; some must be above"),
        (["0", "1e-60", "0"], "every weight 'w' is 0; some must be above"),
        (["x"] * 9, "row 5: 'x')"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("part", ["train", "validation"])
def test_weights_that_cant_be(tmp_path: Path, part: str, weights: list[str], problem: str) -> None:
    good, bad, test = (tmp_path / f"{name}.csv" for name in ("good", "bad", "test"))
    for file in (good, test):
        write(file, "text,label,w\na,1,1\nb,0,.5\n")
    rows = {"text": "a", "label": [i % 2 for i in range(len(weights))], "w": weights}
    pd.DataFrame(rows).to_csv(bad, index=False)
    given = {"train": good, "validation": good} | {part: bad}
    (found,) = problems(
        table(given["train"], test, validation=str(given["validation"]), weight="w")
    )
    assert found.startswith(f"data.{part}={bad}")
    assert problem in found


def test_a_weight_column_that_is_not_there(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "text,label\na,1\nb,0\n")
    assert problems(table(file, weight="w")) == (
        f"data.train={file} has no column 'w'; it has: text, label",
    )


def test_numbers_of_any_notation_and_type_are_weights(tmp_path: Path) -> None:
    for values, expected in (
        ([True, False], [1.0, 0.0]),
        ([Decimal("0.5"), Decimal("2")], [0.5, 2.0]),
        ([1e-5, 2.0], [1e-5, 2.0]),
        (["1e2", " .5 "], [100.0, 0.5]),
    ):  # fmt: skip
        frame = pd.DataFrame({"text": ["a", "b"], "label": [0, 1], "w": values})
        frame.to_parquet(tmp_path / "a.parquet")
        assert table(tmp_path / "a.parquet", weight="w").read()["train"].weights == expected


FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(max_examples=50, deadline=None)
@given(st.lists(FLOATS, min_size=2, max_size=9).filter(lambda values: len(set(values)) > 1))
def test_numbers_to_predict_come_back_as_they_were(values: list[float]) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "a.csv"
        pd.DataFrame({"text": "a", "label": values}).to_csv(file, index=False)
        dataset = table(file, task="regression").load()
    assert dataset.classes == ()
    assert dataset.train().y.dtype == np.float32
    assert sorted(dataset.train().y.tolist()) == sorted(values)
    assert dataset.test().y.tolist() == values


@settings(max_examples=50, deadline=None)
@given(st.lists(FLOATS.map(abs), min_size=2, max_size=9), st.integers(0, 8), st.data())
def test_one_bad_weight_is_found(values: list[float], place: int, data: st.DataObject) -> None:
    bad = data.draw(st.one_of(FLOATS.filter(lambda value: value < 0), st.text(alphabet="xé-_,.")))
    place %= len(values)
    shown = [str(value) for value in values]
    shown[place] = str(bad)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "a.csv"
        labels = [i % 2 for i in range(len(values))]
        pd.DataFrame({"text": "a", "label": labels, "w": shown}).to_csv(file, index=False)
        found = problems(table(file, weight="w"))
    assert f"row {place + 1}: {str(bad)!r}" in found[0]


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (["1", "good", "bad"], "2 rows whose label 'label' is not a finite number, as data.task="
                               "regression needs (the first are row 2: 'good', row 3: 'bad')"),
        (["1", "", "2"], "row 2: ''"),
        (["1", "inf", "1e39"], "row 2: 'inf', row 3: '1e39'"),
        (["0.1", "0.10", "0.1"], "every training label is 0.1; there must be at least two diff"),
    ],
)  # fmt: skip
def test_labels_that_are_no_numbers(tmp_path: Path, labels: list[str], problem: str) -> None:
    file, test = tmp_path / "a.csv", write(tmp_path / "test.csv", "text,label\na,1\n")
    pd.DataFrame({"text": "a", "label": labels}).to_csv(file, index=False)
    (found,) = problems(table(file, test, task="regression"))
    assert problem in found


def test_numbers_unlike_those_of_the_training_part_are_no_problem(tmp_path: Path) -> None:
    train = write(tmp_path / "a.csv", "text,label\na,1\nb,2\n")
    test = write(tmp_path / "test.csv", "text,label\na,-7.5\n")
    assert table(train, test, task="regression").load().test().y.tolist() == [-7.5]


def test_classes_of_which_some_are_numbers(tmp_path: Path) -> None:
    train = write(tmp_path / "a.csv", "text,label\na,1\nb,2\nc,none\n")
    test = write(tmp_path / "test.csv", "text,label\na,2\nb,1\n")
    dataset = table(train, test, task="classes").load()
    assert dataset.classes == ("1", "2", "none")
    assert dataset.test().y.tolist() == [1, 0]


def test_stars_need_another_task(tmp_path: Path) -> None:
    rows = "".join(f"a,{star}\n" for star in (1, 2, 3, 4, 5, 6))
    file = write(tmp_path / "a.csv", f"text,label\n{rows}")
    assert problems(table(file)) == (
        "data.task=binary, but data.label has 6 classes (1, 2, 3, 4, 5 and 1 more); use "
        "data.task=classes with compile=categorical or compile=sparse_categorical, or "
        "data.task=regression to predict the numbers themselves",
    )
    assert table(file, task="classes").load().classes == (1, 2, 3, 4, 5, 6)
