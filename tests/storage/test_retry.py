from pathlib import Path

from rnnexp.storage.retry import wait_for_disk_space


def test_there_is_disk_space(tmp_path: Path) -> None:
    wait_for_disk_space(tmp_path)
