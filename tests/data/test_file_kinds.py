"""Files as people have them: other names and encodings, JSON lines, Excel, saved datasets."""

import gzip
import json
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from rnnexp.data.source import Corpus
from rnnexp.data.table import Table
from rnnexp.errors import DataError


def table(train: Path, **changes: object) -> Table:
    options = {"text": "text", "label": "label", "split": "whitespace", "maxlen": 8}
    options |= {"test": str(train)} | changes
    return Table(train=str(train), num_words=None, seed=0, **options)  # type: ignore[arg-type]


def read(train: Path, **changes: object) -> Corpus:
    return table(train, **changes).read()["train"]


def problems(train: Path, **changes: object) -> tuple[str, ...]:
    with pytest.raises(DataError) as caught:
        table(train, **changes).load()
    return caught.value.problems


def lines(**renamed: str) -> str:
    rows = ({"title": "t", "text": x, "label": y} for x, y in [("good", 1), ("bad", 0)])
    return "".join(
        json.dumps({renamed.get(k, k): v for k, v in row.items()}) + "\n" for row in rows
    )


@pytest.mark.parametrize(
    ("name", "content", "changes"),
    [
        ("a.txt", "text\tlabel\ngood\t1\nbad\t0\n", {}),
        ("a.txt", "good\t1\nbad\t0\n", {"columns": ["text", "label"]}),
        ("a.csv", "1,good\n0,bad\n", {"columns": ["label", "text"]}),
        ("a.csv", '1;"good"\n0;bad\n', {"columns": ["label", "text"], "separator": ";"}),
        ("a.csv", "text;label\ngood;1\nbad;0\n", {"separator": ";"}),
        ("a.csv", "text\tlabel\ngood\t1\nbad\t0\n", {"separator": "tab"}),
        ("a.txt", "text|label\ngood|1\nbad|0\n", {"separator": "|"}),
        ("a.tsv", '"good"\t"1"\n"bad"\t"0"\n', {"columns": ["text", "label"]}),
        ("a.jsonl", lines(), {}),
        ("a.ndjson", "\n" + lines().replace("1}", "1.0}"), {}),
        ("a.jsonl", lines(text="body"), {"text": "body"}),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_the_same_rows(
    tmp_path: Path, name: str, content: str, changes: dict[str, object], packed: bool
) -> None:
    data = gzip.compress(content.encode()) if packed else content.encode()
    file = tmp_path / (f"{name}.gz" if packed else name)
    file.write_bytes(data)
    found = read(file, **changes)
    assert (list(found.texts), list(found.labels)) == (["good", "bad"], [1, 0])


@pytest.mark.parametrize("encoding", ["cp1252", "cp949", "utf-16-le", "utf-8"])
def test_another_encoding(tmp_path: Path, encoding: str) -> None:
    text = "나쁘다" if encoding == "cp949" else "a café"
    (tmp_path / "a.csv").write_bytes(f"text,label\n{text},1\ngood,0\n".encode(encoding))
    assert read(tmp_path / "a.csv", encoding=encoding).texts[0] == text


def test_excel(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl", reason="the extra excel is not installed")
    frame = pd.DataFrame({"label": [1, 0, 1.0], "text": ["good", "bad", 12], "more": [1, 2, 3]})
    frame.to_excel(tmp_path / "a.xlsx", index=False)
    found = read(tmp_path / "a.xlsx")
    assert (list(found.texts), list(found.labels)) == (["good", "bad", "12"], [1, 0, 1])
    frame.to_excel(tmp_path / "b.xlsx", index=False, header=False)
    assert list(read(tmp_path / "b.xlsx", columns=["label", "text", "x"]).labels) == [1, 0, 1]
    assert "names 2 columns, but" in problems(tmp_path / "b.xlsx", columns=["label", "text"])[0]


def test_excel_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.xlsx").touch()
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert "pip install 'rnnexp[excel]'" in problems(tmp_path / "a.xlsx")[0]


def save(folder: Path, texts: list[str], labels: list[int], names: list[str] | None) -> None:
    """Write a folder as `Dataset.save_to_disk` of Hugging Face's datasets does, in two files."""
    folder.mkdir(parents=True)
    files = [f"data-0000{n}-of-00002.arrow" for n in range(2)]
    for n, file in enumerate(files):
        part = pa.table({"text": texts[n::2], "label": labels[n::2]})
        with pa.OSFile(str(folder / file), "wb") as sink, pa.ipc.new_stream(sink, part.schema) as w:
            w.write_table(part)
    state = {"_data_files": [{"filename": file} for file in files], "_split": "train"}
    (folder / "state.json").write_text(json.dumps(state))
    label = {"names": names, "_type": "ClassLabel"} if names else {"dtype": "int64"}
    (folder / "dataset_info.json").write_text(json.dumps({"features": {"label": label}}))


@pytest.mark.parametrize(
    ("names", "labels"), [(None, [0, 1, 1]), (["neg", "pos"], ["neg", "pos", "pos"])]
)
def test_a_saved_dataset(tmp_path: Path, names: list[str] | None, labels: list[object]) -> None:
    save(tmp_path / "reviews" / "train", ["bad", "good", "fine"], [0, 1, 1], names)
    found = read(tmp_path / "reviews" / "train")
    assert list(found.texts) == ["bad", "fine", "good"]
    assert list(found.labels) == labels
    before = table(tmp_path / "reviews" / "train").fingerprint()
    save(tmp_path / "other" / "train", ["bad", "good", "fine!"], [0, 1, 1], names)
    assert table(tmp_path / "other" / "train").fingerprint()["train"] != before["train"]
    (tmp_path / "reviews" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    (problem, *_) = problems(tmp_path / "reviews")
    assert f"has several splits; give the folder of one: {tmp_path}/reviews/train or" in problem


def test_several_columns_are_joined(tmp_path: Path) -> None:
    rows = "title,body,label\nLovely,a good film,1\n,bad,0\nSo,,1\n"
    (tmp_path / "a.csv").write_text(rows)
    found = read(tmp_path / "a.csv", text=["title", "body"])
    assert list(found.texts) == ["Lovely a good film", "bad", "So"]
    one = table(tmp_path / "a.csv", text=["body"]).fingerprint()
    assert one == table(tmp_path / "a.csv", text="body").fingerprint() | {"text": ["body"]}


@pytest.mark.parametrize(
    ("changes", "name", "problem"),
    [
        ({"columns": ["text"]}, "a.csv", "data.columns=['text'] names 1 columns, but data.train="),
        ({"columns": ["text", "text"]}, "a.csv", "give the names of all columns in their order"),
        ({"columns": "text"}, "a.csv", "give the names of all columns in their order"),
        ({"columns": ["text", "label"]}, "a.jsonl", ".jsonl files have names already"),
        ({"encoding": "latin9x"}, "a.csv", "data.encoding=latin9x: Python knows no such encoding"),
        ({"encoding": "base64"}, "a.csv", "data.encoding=base64: Python knows no such encoding"),
        ({"encoding": "ascii"}, "b.csv", "is not ascii: byte 0xc3 can't be decoded; save it as"),
        ({"separator": ";;"}, "a.csv", "data.separator=';;': must be one character, or tab"),
        ({"separator": ";"}, "a.jsonl", "data.separator=';': .jsonl files have none"),
        ({"text": []}, "a.csv", "data.text=[]: give the name of a column, or of several"),
        ({"text": ["text", "label"]}, "a.csv", "are one column, so the label would be read off"),
        ({}, "c.jsonl", "line 2 is not JSON: "),
        ({}, "d.jsonl", "line 1 is [1], not an object such as {...}; write an object a line"),
        ({}, "e.jsonl", "'text' in line 1 is ['a']; it must be a text or a number"),
        ({}, "f.jsonl", "has no column 'text'; it has: txt, label; did you mean txt?"),
        ({}, "g.jsonl", "can't be read: it is empty"),
        ({}, "h.csv", "or give data.separator=tab"),
        ({}, "i.csv", "or give all names as data.columns"),
    ],
)
def test_what_cant_be(tmp_path: Path, changes: dict[str, object], name: str, problem: str) -> None:
    content = {
        "a.csv": "text,label\ngood,1\nbad,0\n", "a.jsonl": lines(),
        "b.csv": "text,label\ncafé,1\nbad,0\n", "c.jsonl": '{"text": "a", "label": 1}\n{"text\n',
        "d.jsonl": "[1]\n", "e.jsonl": '{"text": ["a"], "label": 1}\n',
        "f.jsonl": '{"txt": "a", "label": 1}\n', "g.jsonl": "\n", "h.csv": "text\tlabel\na\t1\n",
        "i.csv": "good,pos\nbad,neg\nfine,pos\n",
    }  # fmt: skip
    (tmp_path / name).write_text(content[name], encoding="utf-8")
    assert any(problem in found for found in problems(tmp_path / name, **changes))
