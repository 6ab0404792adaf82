import os
import platform
import subprocess
import sys

import pytest

from rnnexp.freed_memory import OWN

CODE = """
import resource, sys
from rnnexp.freed_memory import keep_freed_memory
if sys.argv[1] == "keep":
    print(keep_freed_memory())
def pages():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
b"x" * 100_000_000
before = pages()
b"x" * 100_000_000
print(pages() - before)
"""


def run(argument: str, **variables: str) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if name not in OWN}
    command = [sys.executable, "-c", CODE, argument]
    return subprocess.check_output(command, env=environment | variables, text=True).split()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc is set up")
def test_freed_memory_is_taken_again_without_the_system() -> None:
    (new_pages,) = run("leave")
    kept, kept_new_pages = run("keep")
    assert kept == "True"
    assert int(kept_new_pages) < int(new_pages) / 10


@pytest.mark.parametrize("name", OWN)
def test_a_users_own_values_stay(name: str) -> None:
    assert run("keep", **{name: "glibc.malloc.check=0"})[0] == "False"
