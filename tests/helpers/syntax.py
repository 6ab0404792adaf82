"""The syntax trees of the project's modules, for tests of rules that hold for all of them."""

import ast
from collections.abc import Iterator
from functools import cache

from tests.helpers.commands import ROOT

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def modules() -> dict[str, ast.Module]:
    """Return the modules of rnnexp/ and hydra_plugins/ by their path in the repository."""
    files = [file for name in ("rnnexp", "hydra_plugins") for file in (ROOT / name).rglob("*.py")]
    return {
        file.relative_to(ROOT).as_posix(): ast.parse(file.read_text(encoding="utf-8"))
        for file in sorted(files)
    }


def functions(tree: ast.Module) -> Iterator[Function]:
    """Yield the functions and methods of a module, including nested ones."""
    return (node for node in ast.walk(tree) if isinstance(node, FUNCTIONS))


def length(node: Function | ast.ClassDef) -> int:
    """Return the number of lines of a function or class, without decorators and docstring."""
    lines = node.end_lineno - node.lineno + 1
    if ast.get_docstring(node) is not None:
        lines -= node.body[0].end_lineno - node.body[0].lineno + 1
    return lines


def texts(tree: ast.Module) -> Iterator[tuple[ast.Constant, bool | None]]:
    """Yield the string constants of a module, without docstrings.

    Yields:
        A constant; and, if it is a part of an f-string, whether a value follows it, else None.
    """
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {
        id(part): isinstance(following, ast.FormattedValue)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part, following in zip(node.values, [*node.values[1:], None], strict=True)
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in skipped:
            yield node, parts.get(id(node))
