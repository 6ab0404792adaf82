"""Rules for every module of rnnexp/ and hydra_plugins/: size, docstrings, imports."""

import ast
import doctest
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from itertools import chain

import pytest

from tests.helpers.commands import ROOT
from tests.helpers.syntax import FUNCTIONS, Function, functions, length, modules

LINES = 50  # of a function, without its docstring
PARAMETERS = 7
CLASS_LINES = 150
REASON = "Reason for"  # what the docstring of a longer class has to say


def is_command(function: Function) -> bool:
    """Return whether a function is a command of the CLI, whose parameters are its options."""
    return any(".command" in ast.unparse(decorator) for decorator in function.decorator_list)


def parameters(function: Function) -> list[ast.arg]:
    """Return a function's parameters, but for self and cls."""
    found = function.args
    every = [*found.posonlyargs, *found.args, found.vararg, *found.kwonlyargs, found.kwarg]
    return [arg for arg in every if arg and arg.arg not in ("self", "cls")]


def too_large(tree: ast.Module) -> Iterator[str]:
    """Yield the functions and classes of a module that are too large, and by how much."""
    for function in functions(tree):
        if (lines := length(function)) > LINES:
            yield f"{function.name} has {lines} lines"
        number = len(parameters(function))
        if number > PARAMETERS and function.name != "__init__" and not is_command(function):
            yield f"{function.name} has {number} parameters"
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and REASON not in (ast.get_docstring(node) or ""):
            lines = node.end_lineno - node.lineno + 1
            if lines > CLASS_LINES:
                yield f"{node.name} has {lines} lines, and its docstring has no '{REASON} ...'"


def undocumented(path: str, tree: ast.Module) -> Iterator[str]:
    """Yield what a module does not document: itself, or a public function."""
    if not ast.get_docstring(tree):
        yield "the module"
    public = [node for node in tree.body if not getattr(node, "name", "_").startswith("_")]
    classes = [node for node in public if isinstance(node, ast.ClassDef)]
    for node in chain(public, *(owner.body for owner in classes)):
        if isinstance(node, FUNCTIONS) and not node.name.startswith("_"):
            text = ast.get_docstring(node)
            if text is None and path.startswith("hydra_plugins/") and node not in public:
                continue  # a method of one of Hydra's interfaces
            if not (text or "").partition("\n")[0].endswith("."):
                yield node.name


def with_dict_config(tree: ast.Module) -> Iterator[str]:
    """Yield the functions of a module with ``DictConfig`` in their signatures."""
    for function in functions(tree):
        types = [*(arg.annotation for arg in parameters(function)), function.returns]
        if any("DictConfig" in ast.unparse(kind) for kind in types if kind):
            yield function.name


SHORT, LONG = "    x = 1\n" * (LINES - 1), "    x = 1\n" * LINES
FEW, MANY = (", ".join(f"x{n}" for n in range(number)) for number in (PARAMETERS, PARAMETERS + 1))
METHODS = "    x = 1\n" * (CLASS_LINES - 1)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        (f"def f():\n    '''Do\n    it.'''\n{SHORT}", []),
        (f"def f():\n{LONG}", ["f has 51 lines"]),
        (f"class A:\n    async def f(self, {FEW}): ...", []),
        (f"def f({MANY}): ...", ["f has 8 parameters"]),
        (f"def f(*, {FEW}, **more): ...", ["f has 8 parameters"]),
        (f"class A:\n    def __init__(self, {MANY}): ...", []),
        (f"@main.command()\ndef f({MANY}): ...", []),
        (f"class A:\n{METHODS}", []),
        (
            f"class A:\n    x = 1\n{METHODS}",
            ["A has 151 lines, and its docstring has no 'Reason for ...'"],
        ),
        (f"class A:\n    'Reason for its length: it is a table.'\n{METHODS}", []),
    ],
)
def test_the_rule_of_size(code: str, found: list[str]) -> None:
    assert list(too_large(ast.parse(code))) == found


@pytest.mark.parametrize(
    ("path", "code", "found"),
    [
        ("rnnexp/a.py", "'''A module.'''", []),
        ("rnnexp/a.py", "", ["the module"]),
        ("rnnexp/a.py", "'A module.'\ndef f(): ...\ndef _g(): ...", ["f"]),
        ("rnnexp/a.py", "'A module.'\ndef f():\n    'Do\\nit.'", ["f"]),
        ("rnnexp/a.py", "'A module.'\nclass A:\n    def f(self): ...", ["f"]),
        ("rnnexp/a.py", "'A module.'\nclass _A:\n    def f(self): ...", []),
        ("hydra_plugins/a.py", "'A module.'\nclass A:\n    def f(self): ...", []),
        ("hydra_plugins/a.py", "'A module.'\ndef f(): ...", ["f"]),
    ],
)
def test_the_rule_of_docstrings(path: str, code: str, found: list[str]) -> None:
    assert list(undocumented(path, ast.parse(code))) == found


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("def f(config: DictConfig | None): ...", ["f"]),
        ("class A:\n    async def f(self) -> 'list[DictConfig]': ...", ["f"]),
        ("def f(x: int) -> None:\n    y: DictConfig = x", []),
    ],
)
def test_the_rule_of_configs(code: str, found: list[str]) -> None:
    assert list(with_dict_config(ast.parse(code))) == found


def test_no_function_and_no_class_is_too_large() -> None:
    found = [f"{path}: {text}" for path, tree in modules().items() for text in too_large(tree)]
    assert not found, "\n".join(found)


def test_modules_and_public_functions_are_documented_in_sentences() -> None:
    found = [
        f"{path}: {name}" for path, tree in modules().items() for name in undocumented(path, tree)
    ]
    assert not found, "no docstring whose first line ends with a period:\n" + "\n".join(found)


def test_a_sweep_passes_its_settings_and_no_configs() -> None:
    found = [
        f"{path}: {name}"
        for path, tree in modules().items()
        if path.startswith("rnnexp/sweep/") and path != "rnnexp/sweep/settings.py"
        for name in with_dict_config(tree)
    ]
    assert not found, "\n".join(found)


def test_importing_the_package_changes_nothing_and_imports_no_library() -> None:
    code = """
import json, logging, os, sys

def state():
    loggers = [logging.root, *map(logging.getLogger, sorted(logging.root.manager.loggerDict))]
    levels = {logger.name: logger.level for logger in loggers if logger.level}
    return dict(os.environ), levels, logging.root.manager.disable

logging.getLogger("mlflow").setLevel(logging.DEBUG)
before = state()
import rnnexp
print(json.dumps([before == state(), sorted({name.partition(".")[0] for name in sys.modules})]))
"""
    # In an empty environment: this process has imported the package, and passes its own one on.
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={}, capture_output=True, text=True, check=True
    )
    same, imported = json.loads(done.stdout)
    assert same
    assert "rnnexp" in imported
    assert not {"optuna", "mlflow", "keras", "tensorflow", "jax"} & set(imported)


@pytest.mark.parametrize(
    "name", ["rnnexp.objective", "rnnexp.pruning", "rnnexp.execution.current_trial"]
)
def test_the_examples_in_docstrings_run(name: str) -> None:
    from optuna import logging

    verbosity = logging.get_verbosity()
    try:
        result = doctest.testmod(import_module(name))
    finally:
        logging.set_verbosity(verbosity)  # an example changes it
    assert result.attempted
    assert not result.failed
