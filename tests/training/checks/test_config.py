import subprocess
import sys

from tests.helpers.commands import ROOT

IMPORTS = """
import sys
import rnnexp.training.checks, rnnexp.training.trial, rnnexp.serving.publish
print({"keras", "tensorflow", "jax"} & set(sys.modules))
"""


def test_a_sweep_names_its_functions_without_importing_keras() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", IMPORTS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "set()"
