import os
from pathlib import Path

import pytest

from rnnexp.jax_defaults import compiled_code, set_jax_defaults

FOLDER, FLAGS = "JAX_COMPILATION_CACHE_DIR", "XLA_FLAGS"
DETERMINISTIC = "--xla_gpu_deterministic_ops=true"
OFF = "--xla_gpu_deterministic_ops=false"


@pytest.mark.parametrize(
    ("own", "deterministic", "expected"),
    [
        ("", False, ""),
        ("", True, DETERMINISTIC),
        ("--xla_dump_to=x", True, f"--xla_dump_to=x {DETERMINISTIC}"),
        (DETERMINISTIC, True, DETERMINISTIC),  # of an earlier training of this process
        (OFF, True, OFF),
    ],
)
def test_flags(
    own: str, deterministic: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {FLAGS: own})
    set_jax_defaults(deterministic=deterministic)
    assert os.environ[FLAGS] == expected


@pytest.mark.parametrize("own", [{}, {FOLDER: "/own"}])
def test_a_users_own_values_stay(own: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ, **own})
    set_jax_defaults(deterministic=False)
    assert os.environ[FOLDER] == own.get(FOLDER, str(compiled_code()))
    assert os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] == "0"


def test_compiled_code_is_in_the_users_cache_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert compiled_code().parent == tmp_path / "rnnexp" / "jax"
    assert compiled_code() == compiled_code()
