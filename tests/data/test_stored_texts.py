from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from resource import RLIMIT_FSIZE, getrlimit, setrlimit
from signal import SIG_IGN, SIGXFSZ, signal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnexp.cache_folder import cache_folder
from rnnexp.data.stored_texts import digests
from rnnexp.errors import DataError
from tests.helpers.stored_texts import stored


@settings(deadline=None)
@given(st.lists(st.text(st.characters(codec=None))), st.data())
def test_stored_texts_are_a_sequence_of_the_texts(texts: list[str], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.sampled_from(range(len(texts))))) if texts else []
    found = stored(texts)
    assert (len(found), list(found), digests(found)) == (len(texts), texts, digests(texts))
    assert [found[row] for row in rows] == [texts[row] for row in rows]
    assert list(found.rows(rows)) == [texts[row] for row in rows]
    assert digests(found.rows(rows)[1:]) == digests([texts[row] for row in rows][1:])
    assert found == texts


def test_long_texts_are_read_whole_and_no_file_has_a_name() -> None:
    texts = [letter * 200_000 for letter in "abcde"]
    found = stored(texts)
    assert list(found) == texts
    assert list(found[::-1]) == texts[::-1]
    assert not [file for file in cache_folder().iterdir() if file.is_file()]


@settings(deadline=None)
@given(st.lists(st.text(max_size=9)), st.integers(1, 20))
def test_chunks_are_all_texts_in_order_none_larger_than_asked(texts: list[str], size: int) -> None:
    chunks = [list(chunk) for chunk in stored(texts).chunks(size)]
    assert [text for chunk in chunks for text in chunk] == texts
    for chunk in chunks:
        assert len(chunk) == 1 or sum(len(text.encode()) for text in chunk) <= size
    for chunk, after in pairwise(chunks):
        assert sum(len(text.encode()) for text in [*chunk, after[0]]) > size


@contextmanager
def small_files() -> Iterator[None]:
    """Let no file be larger than 100,000 bytes, as on a disk that is full."""
    before, handler = getrlimit(RLIMIT_FSIZE), signal(SIGXFSZ, SIG_IGN)
    setrlimit(RLIMIT_FSIZE, (100_000, before[1]))
    try:
        yield
    finally:
        setrlimit(RLIMIT_FSIZE, before)
        signal(SIGXFSZ, handler)


def test_a_full_disk_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with (
        small_files(),
        pytest.raises(DataError, match=f"can't be stored: {cache_folder()}: File too"),
    ):
        stored(["a" * 50_000] * 4)
