"""Quotas of processor time, as Linux's control groups have them."""

from pathlib import Path

import pytest

from rnnexp.cores import available_cores, quota

OLD = {"cpu/a/cpu.cfs_quota_us": "300000\n", "cpu/a/cpu.cfs_period_us": "100000"}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


@pytest.mark.parametrize(
    ("own", "files", "cores"),
    [
        ("0::/", {}, None),
        ("0::/", {"cpu.max": "max 100000\n"}, None),
        ("0::/", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/", {"cpu.max": "250000 100000\n"}, 2),
        ("0::/", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/a/b", {"a/b/cpu.max": "400000 100000\n", "a/cpu.max": "300000 100000\n"}, 3),
        ("0::/a/b", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "150000 100000\n"}, 1),
        ("0::/host/path", {"cpu.max": "200000 100000\n"}, 2),
        ("4:cpu,cpuacct:/a\n1:mem:/b", OLD | {"cpu/a/cpu.cfs_quota_us": "-1\n"}, None),
        ("4:cpu,cpuacct:/a\n1:mem:/b", OLD, 3),
        ("4:cpuset:/a", OLD, None),
        ("0::/", {"cpu.max": "nonsense"}, None),
    ],
)  # fmt: skip
def test_quota(own: str, files: dict[str, str], cores: int | None, tmp_path: Path) -> None:
    write(tmp_path / "groups", files)
    write(tmp_path, {"own": own})
    assert quota(tmp_path / "groups", tmp_path / "own") == cores


def test_without_control_groups(tmp_path: Path) -> None:
    assert quota(tmp_path, tmp_path / "own") is None


def test_a_process_has_a_core() -> None:
    assert available_cores()
