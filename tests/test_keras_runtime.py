import ast
from collections.abc import Iterator

import keras

from rnnexp import keras_runtime
from tests.helpers.commands import ROOT


def test_every_training_starts_with_a_new_session() -> None:
    for _ in range(2):
        keras_runtime.new_session()
        assert keras.layers.Dense(1).name == "dense"


def names(tree: ast.AST) -> Iterator[str]:
    """Find the dotted names and texts of a module: imports, attributes and string constants."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield ast.unparse(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_no_module_names_a_private_module_of_keras() -> None:
    files = [*(ROOT / "rnnexp").rglob("*.py"), *(ROOT / "hydra_plugins").rglob("*.py")]
    assert len(files) > 100
    found = {
        str(file.relative_to(ROOT)): name
        for file in files
        for name in names(ast.parse(file.read_text(encoding="utf-8")))
        if "keras.src" in name
    }
    assert found == {}
