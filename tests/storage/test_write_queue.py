import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnnexp.storage.write_queue import WriteQueue, read

HEAD = {"uri": "sqlite:///mlflow.db", "run_id": "a"}


def entry(number: int) -> dict[str, object]:
    return {"kind": "text", "text": "x" * 50, "name": str(number)}


def names(file: Path) -> list[int]:
    saved = read(file)
    assert saved
    assert {name: saved[name] for name in HEAD} == HEAD
    return [int(entry["name"]) for entry in saved["entries"]]


@given(st.lists(st.tuples(st.sampled_from("arsk"), st.integers(0, 9)), max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_file_has_what_is_queued(tmp_path: Path, steps: list[tuple[str, int]]) -> None:
    file = tmp_path / "queue"
    file.unlink(missing_ok=True)
    queue, expected, saved = WriteQueue(file, HEAD), [], []
    for count, (step, place) in enumerate(steps):
        if step == "a":
            queue.append(entry(count))
            expected.append(count)
        elif step == "r" and place < len(expected):
            queue.remove([*queue.entries][place])
            del expected[place]
        elif step == "s":
            queue.save()
            saved = [*expected]
            assert queue.is_saved
        elif step == "k":  # the process is killed, and another goes on
            queue, expected = WriteQueue(file, HEAD), [*saved]
        assert [int(str(entry["name"])) for entry in queue.entries.values()] == expected
        assert (names(file) if file.exists() else []) == saved


def test_as_many_bytes_are_written_as_are_queued(tmp_path: Path) -> None:
    queue = WriteQueue(tmp_path / "queue", HEAD)
    inodes = set()
    for number in range(400):
        queue.append(entry(number))
        queue.save()
        inodes.add((tmp_path / "queue").stat().st_ino)
    assert len(inodes) == 1  # never rewritten
    for number in range(399):
        queue.remove(next(iter(queue.entries)))
        queue.save()
        if number % 30 == 0:
            assert names(tmp_path / "queue")[0] == number + 1
    assert (tmp_path / "queue").stat().st_size < 10_000  # of 40,000


@pytest.mark.parametrize(
    ("damage", "left", "lost"),
    [
        (lambda content: content[:-1], [0, 1, 2], None),  # only the line's end
        (lambda content: content[:-9], [0, 1], 1),
        (lambda content: content[: content.rindex(b"[") + 1], [0, 1], 1),
        (lambda content: content + b"\0" * 100, [0, 1, 2], 1),
        (lambda content: content + b"[1", [0, 1, 2], 1),
    ],
)
def test_a_torn_line_is_reported_and_dropped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: object, left: list[int], lost: int
) -> None:
    file = tmp_path / "queue"
    queue = WriteQueue(file, HEAD)
    for number in range(3):
        queue.append(entry(number))
        queue.save()
    file.write_bytes(damage(file.read_bytes()))  # type: ignore[operator]
    resumed = WriteQueue(file, HEAD)
    assert (f"{file} ends in a torn line" in caplog.text) == bool(lost)
    caplog.clear()
    resumed.append(entry(3))
    resumed.save()
    assert names(file) == [*left, 3]
    assert caplog.text == ""


def test_a_failed_append_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    file = tmp_path / "queue"
    queue = WriteQueue(file, HEAD)
    queue.append(entry(0))
    queue.save()
    with file.open("ab") as stream:
        stream.write(b'[1, {"kind')  # as of a write to a disk that is full
    queue.append(entry(1))
    queue.save()
    assert names(file) == [0, 1]


APPEND = """
import sys
from pathlib import Path
from rnnexp.storage.write_queue import WriteQueue
queue = WriteQueue(Path(sys.argv[1]), {"uri": "sqlite:///mlflow.db", "run_id": "a"})
for number in range(10**9):
    queue.append({"kind": "text", "text": "x" * 20_000, "name": str(number)})
    if number % 3 == 2:
        queue.remove(next(iter(queue.entries)))
    queue.save()
    print(number, flush=True)
"""


def test_a_killed_process_loses_nothing_that_was_saved(tmp_path: Path) -> None:
    for attempt in range(5):
        file = tmp_path / str(attempt)
        command = [sys.executable, "-c", APPEND, str(file)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout
        assert process.stdout.readline() == "0\n"
        time.sleep(random.uniform(0, 0.3))  # noqa: S311
        process.send_signal(signal.SIGKILL)
        last = int(("0\n" + process.communicate()[0]).split()[-1])
        found = names(file)
        assert found == list(range(found[0], found[-1] + 1))
        assert found[-1] in (last, last + 1)
        assert found[0] in ((last + 1) // 3, (last + 2) // 3)
