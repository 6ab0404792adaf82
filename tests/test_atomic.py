"""Writes that are whole or not there, whenever the process is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rnnexp.atomic import atomic_folder, atomic_write

WRITE_FOR_EVER = """
import sys
from pathlib import Path
from rnnexp.atomic import atomic_write
file = Path(sys.argv[1])
print("begun", flush=True)
for n in range(10**9):
    atomic_write(file, str(n % 10) * 3_000_000)
"""


@pytest.mark.parametrize(("content", "expected"), [("é", "é".encode()), (b"\x00\x01", b"\x00\x01")])
def test_a_file_is_replaced(tmp_path: Path, content: str | bytes, expected: bytes) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    atomic_write(file, content)
    assert file.read_bytes() == expected
    assert list(tmp_path.iterdir()) == [file]


def test_a_killed_writer_leaves_a_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for delay in (0.05, 0.1, 0.15):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITE_FOR_EVER, str(file)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout
        assert writer.stdout.readline() == "begun\n"
        while not file.exists():
            time.sleep(0.01)
        time.sleep(delay)
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()
        text = file.read_text()
        assert len(text) == 3_000_000
        assert len(set(text)) == 1


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "new" / "folder") as draft:
        (draft / "sub").mkdir()
        (draft / "sub" / "file").write_text("content")
        assert not (tmp_path / "new" / "folder").exists()
    assert (tmp_path / "new" / "folder" / "sub" / "file").read_text() == "content"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["folder"]
    assert (tmp_path / "new" / "folder").stat().st_mode == (tmp_path / "new").stat().st_mode


def test_a_folder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), atomic_folder(tmp_path / "folder") as draft:
        (draft / "file").touch()
        raise ValueError("no")
    assert list(tmp_path.iterdir()) == []


def test_another_process_was_faster(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    with atomic_folder(folder) as draft:
        (draft / "file").write_text("mine")
        folder.mkdir()
        (folder / "file").write_text("theirs")
    assert (folder / "file").read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [folder]
