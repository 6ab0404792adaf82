"""When a trial that ended on a full disk is tried again."""

from pathlib import Path

from rnnexp.sweep.disk_retries import PATIENCE, DiskRetries


def waited(retries: DiskRetries, epochs: int = 0, limit: int = 100) -> list[float]:
    """Let trial 3 end on a full disk whenever it is tried, and return its pauses."""
    pauses, now = [], 0.0
    while len(pauses) < limit:
        pause = retries.wait(3, None, epochs, now)
        if pause is None:
            break
        pauses.append(pause)
        assert retries.due(now + pause - 0.1) == []
        assert len(retries) == 1
        now += pause
        assert retries.due(now) == [3]
        assert len(retries) == 0
    return pauses


def test_the_pauses_double_and_end_after_ten_minutes(tmp_path: Path) -> None:
    pauses = waited(DiskRetries(tmp_path))
    assert pauses[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert PATIENCE <= sum(pauses) < PATIENCE + 60
    assert len(pauses) < 20


def test_a_trial_that_has_trained_in_between_begins_anew(tmp_path: Path) -> None:
    retries = DiskRetries(tmp_path)
    assert waited(retries, epochs=1, limit=4) == [1, 2, 4, 8]
    assert waited(retries, epochs=2, limit=2) == [1, 2]


def test_trials_wait_by_themselves_and_for_a_file_that_is_not_there(tmp_path: Path) -> None:
    retries = DiskRetries(tmp_path)
    retries.wait(1, str(tmp_path / "no" / "file"), 0, now=0.0)
    retries.wait(2, None, 0, now=0.5)
    assert len(retries) == 2
    assert retries.due(1.0) == [1]
    retries.clear()
    assert retries.due(9.0) == []


def test_a_disk_that_is_seen_to_be_full_is_not_tried(small_disk: Path) -> None:
    retries = DiskRetries(small_disk.parent)
    filler = small_disk / "filler"
    filler.write_bytes(bytes(41_000_000))
    retries.wait(1, str(small_disk / "best.keras"), 0, now=0.0)
    assert retries.due(5.0) == []
    assert len(retries) == 1
    filler.unlink()
    assert retries.due(5.5) == []
    assert retries.due(6.0) == [1]


def test_a_disk_without_room_for_a_file_is_full(small_disk: Path) -> None:
    retries = DiskRetries(small_disk.parent)
    retries.wait(1, str(small_disk / "best.keras"), 0, now=0.0)
    count = 0
    try:
        while True:
            (small_disk / str(count)).touch()
            count += 1
    except OSError:
        assert retries.due(5.0) == []
    for file in small_disk.iterdir():
        file.unlink()
    assert retries.due(6.0) == [1]
