import gzip
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from rnnexp.data.table import Table
from rnnexp.errors import DataError

ROWS = [("good film", "1"), ("NA", "0"), ('a, "quoted" one', "1"), ("두 번 봤다", "0")]


def table(train: Path, test: Path | None = None, **settings: str) -> Table:
    options = {"text": "text", "label": "label", "split": "whitespace"} | settings
    return Table(
        train=str(train), test=str(test or train), num_words=None, maxlen=8, seed=0, **options
    )


def frame() -> pd.DataFrame:
    return pd.DataFrame(ROWS, columns=["text", "label"])


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
    train, test = table(tmp_path / name).read()
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
    assert list(table(tmp_path / "a.csv").read()[0].labels) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"text,label\ncaf\xe9,1\nbad,0\n", "not UTF-8: byte 0xe9"),
        ("a.csv", b"", "can't be read: No columns"),
        ("a.csv", b"text,label\n", "has no rows"),
        ("a.csv", b"text,stars\ngood,1\n", "has no column 'label'; it has: text, stars"),
        ("a.csv", b"text,label\ngood,\n,1\n", "1 rows without a 'text' (the first are rows 2)"),
        ("a.csv", b"text,label\ngood,1\nfine,1\n", "every training label is 1"),
        ("a.csv", b'text,label\n"good,1\n', "can't be read"),
        ("a.csv.gz", b"text,label\ngood,1\n", "can't be read"),
        ("a.parquet", b"PAR1 but no more", "can't be read"),
        ("a.json", b"{}", "unknown kind"),
        ("a.csv", b"text,label\nwell, good,1\nwell, bad,0\n", "more fields in a row"),
        ("a.csv.gz", gzip.compress(b"text,label\ngood,1\nbad,0\n" * 99)[:-9], "can't be read"),
        ("a.csv.gz", b"\x1f\x8b\x08\x00" + b"\xff" * 40, "can't be read"),
    ],
)
def test_faults(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        table(file).load()
    assert any(message in fault for fault in caught.value.faults)


def test_columns_may_have_numbers_for_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("0,1\ngood,1\nbad,0\n")
    (train, _) = table(tmp_path / "a.csv", text=0, label=1).read()  # type: ignore[arg-type]
    assert list(train.texts) == ["good", "bad"]


def test_parquet_labels_of_any_type(tmp_path: Path) -> None:
    for labels, classes in (
        ([True, False], [1, 0]),
        ([0.5, 1.5], [0.5, 1.5]),
        ([date(2020, 1, 1), date(2021, 1, 2)], ["2020-01-01", "2021-01-02"]),
    ):  # fmt: skip
        pd.DataFrame({"text": ["a", "b"], "label": labels}).to_parquet(tmp_path / "a.parquet")
        assert list(table(tmp_path / "a.parquet").read()[0].labels) == classes


def test_faults_of_both_files_come_together(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        table(tmp_path / "no.csv", tmp_path).load()
    assert len(caught.value.faults) == 2
    assert "does not exist" in caught.value.faults[0]
    assert "is a folder" in caught.value.faults[1]


def test_labels_that_only_the_test_part_has_are_a_fault(tmp_path: Path) -> None:
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text("text,label\na,neg\nb,pos\n")
    test.write_text("text,label\na,neg\nb,neutral\n")
    with pytest.raises(DataError, match="'neutral'; known are 'neg', 'pos'"):
        table(train, test).load()
