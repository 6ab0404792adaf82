"""Where the files of a config are: on the sweep's machine, and on one that they were sent to."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import rnnexp
from rnnexp import config_files
from rnnexp.config_files import absolute_path, learn
from rnnexp.data.table import Table
from rnnexp.errors import DataError
from rnnexp.identity import digests_of, named_files


@pytest.fixture
def sent(tmp_path: Path) -> Iterator[Path]:
    """A file that was sent to this machine, from /theirs/train.csv on another one."""
    here = tmp_path / "train.csv"
    here.write_text("text,label\n" + "".join(f"good {n},1\nbad {n},0\n" for n in range(5)))
    learn("/theirs", {"/theirs/train.csv": str(here)})
    yield here
    config_files._start.clear()
    config_files._places.clear()


def table(**options: str) -> Table:
    rest = {"test": 0.5, "text": "text", "label": "label", "split": "whitespace", "maxlen": 4}
    return Table(train="train.csv", num_words=None, seed=0, **(rest | options))  # type: ignore[arg-type]


def test_on_the_sweeps_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert rnnexp.path_here("train.csv") == tmp_path / "train.csv"
    assert rnnexp.path_here("/a/train.csv") == Path("/a/train.csv")


def test_a_file_that_was_sent_is_read_and_keeps_its_path(sent: Path) -> None:
    assert rnnexp.path_here("train.csv") == rnnexp.path_here("/theirs/train.csv") == sent
    assert absolute_path("train.csv") == "/theirs/train.csv"
    assert table().problems() == []
    assert sum(len(part.texts) for part in table().read().values()) == 10
    config = OmegaConf.create({"data": {"train": "train.csv"}})
    assert list(digests_of(config)["data.train"]) == ["/theirs/train.csv"]
    assert named_files([config]) == {"/theirs/train.csv": "data.train"}


def test_a_message_names_the_file_as_the_config_does(sent: Path) -> None:
    with pytest.raises(DataError, match=r"data\.train=/theirs/train\.csv") as error:
        table(text="txt").read()
    assert str(sent) not in str(error.value)
    (problem,) = table(test="other.csv").problems()
    assert problem.startswith("data.test=/theirs/other.csv does not exist")
