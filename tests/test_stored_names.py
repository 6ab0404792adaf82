"""No module but storage/schema.py spells a stored name: each of the others uses its constant.

A name with a dot, an underscore, a colon or a slash in it is looked for in every string, and in the
parts of f-strings and queries. A plain word such as ``study`` is looked for only where it names
something stored: as a key of tags, metrics, params or user attributes, or as an argument of a
method that takes the name of one.
"""

import ast
import re
from collections.abc import Iterator

import pytest

from rnnexp.storage import schema
from tests.helpers.syntax import FUNCTIONS, modules, texts

SCHEMA = "rnnexp/storage/schema.py"
# By module and name: why the string is not a stored name.
EXCEPTIONS = {
    ("rnnexp/objectives.py", "other_objectives"): "the pruner, which is below the schema, reads it",
    ("rnnexp/search/space.py", "learning_rate"): "a key of the config, by its last part",
    ("rnnexp/training/compiled_models.py", "learning_rate"): "Keras's argument",
    ("rnnexp/training/output_layer.py", "jit_compile"): "Keras's argument",
}

NAMES = {
    str(value)
    for owner in vars(schema).values()
    if isinstance(owner, type) and owner.__module__ == schema.__name__
    for name, value in (getattr(owner, "__members__", None) or vars(owner)).items()
    if not name.startswith("_")
}
DISTINCTIVE = {name for name in NAMES if re.search(r"[._:/]", name)}
PREFIXES = {name for name in DISTINCTIVE if re.search(r"[._:/]$", name)}
PLAIN = NAMES - DISTINCTIVE
KINDS = {str(kind) for kind in schema.Kind}
QUERY = re.compile(r"\b(?:tags|metrics|params)\.[`\"']?([\w./:]+)")
STORES = ("tags", "metrics", "params", "user_attrs")
# Methods with a name among their arguments, and methods that take tags or metrics.
TAKE_A_NAME = {
    "set_user_attr", "set_tag", "delete_tag", "tag", "log_metric", "log_text", "log_file",
    "delete_artifacts",
}  # fmt: skip
TAKE_STORES = {"tag_later", "find", "set_tags", "log_metrics"}
READ = {"get", "pop", "setdefault", "update"}


def spelled(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the stored names that a module spells, each with its line."""
    for text, value_follows in texts(tree):
        for name in distinctive_in(text.value, value_follows):
            yield text.lineno, name
        for name in QUERY.findall(text.value):
            if name in PLAIN:
                yield text.lineno, name
    for node in ast.walk(tree):
        for key, names in named_in(node):
            if isinstance(key, ast.Constant) and key.value in names:
                yield key.lineno, key.value


def distinctive_in(text: str, value_follows: bool | None) -> Iterator[str]:
    """Yield the distinctive names in a string; for `value_follows`, see `texts`."""
    if text in DISTINCTIVE:
        yield text
        return
    if re.fullmatch(r"[\w./:-]+", text):
        yield from (prefix for prefix in PREFIXES if text.startswith(prefix))
    if value_follows is None and not QUERY.search(text):
        return
    start = r"(?:(?<![\w.])|(?<=tags\.)|(?<=metrics\.)|(?<=params\.))"
    for name in DISTINCTIVE:
        end = (
            r"(?!\w)" if name not in PREFIXES else r"(?:(?=\w)|\Z)" if value_follows else r"(?=\w)"
        )
        if re.search(start + re.escape(name) + end, text):
            yield name


def named_in(node: ast.AST) -> Iterator[tuple[ast.expr, set[str]]]:
    """Yield the expressions of a node that name something stored, each with the possible names."""
    if isinstance(node, ast.Subscript) and is_store(node.value):
        yield node.slice, PLAIN
    elif isinstance(node, ast.Compare):
        yield from compared(node)
    elif isinstance(node, ast.Call):
        yield from called(node)
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        if any(map(is_store, node.targets if isinstance(node, ast.Assign) else [node.target])):
            yield from keys(node.value)
    elif isinstance(node, FUNCTIONS) and node.name.endswith(STORES):
        for part in ast.walk(node):
            if isinstance(part, ast.Return):
                yield from keys(part.value)
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if is_kind(key):
                yield value, KINDS


def compared(node: ast.Compare) -> Iterator[tuple[ast.expr, set[str]]]:
    sides = [node.left, *node.comparators]
    if isinstance(node.ops[0], ast.In | ast.NotIn) and is_store(sides[1]):
        yield sides[0], PLAIN
    if any(map(is_kind, sides)):
        for side in sides:
            yield from ((part, KINDS) for part in ast.walk(side) if isinstance(part, ast.Constant))


def called(node: ast.Call) -> Iterator[tuple[ast.expr, set[str]]]:
    if isinstance(node.func, ast.Attribute):
        name = node.func.attr
        if name in READ and is_store(node.func.value) and node.args:
            yield node.args[0], PLAIN
        if name in TAKE_A_NAME:
            yield from ((value, PLAIN) for value in node.args)
            yield from ((keyword.value, PLAIN) for keyword in node.keywords)
        if name in TAKE_STORES or (name == "update" and is_store(node.func.value)):
            for value in node.args:
                yield from keys(value)
    for keyword in node.keywords:
        if keyword.arg and keyword.arg.endswith(STORES):
            yield from keys(keyword.value)
        if keyword.arg == "kind":
            yield keyword.value, KINDS


def keys(node: ast.expr | None) -> Iterator[tuple[ast.expr, set[str]]]:
    """Yield the keys of the dicts in an expression."""
    for part in ast.walk(node) if node else ():
        if isinstance(part, ast.Dict):
            yield from ((key, PLAIN) for key in part.keys if key)


def is_store(node: ast.expr) -> bool:
    """Return whether an expression is, by its name, a dict of stored values."""
    text = ast.unparse(node.func if isinstance(node, ast.Call) else node)
    return text.rstrip("_").endswith(STORES)


def is_kind(node: ast.expr | None) -> bool:
    return node is not None and "Tags.KIND" in ast.unparse(node)


@pytest.mark.parametrize(
    ("code", "names"),
    [
        # Distinctive names, wherever they are.
        ("x = 'best_value'", {"best_value"}),
        ("f(name='config.yaml')", {"config.yaml"}),
        ("x = f'{folder}/backup.npz'", {"backup.npz"}),
        ("x = f'heartbeat:{sweep}'", {"heartbeat:"}),
        ("x = f'test_{metric}'", {"test_"}),
        ("x = 'test_loss'", {"test_"}),
        ("x = \"tags.`git.dirty` = 'true'\"", {"git.dirty"}),
        ("x = f'tags.rnnexp.kind = {kind}'", {"rnnexp.kind"}),
        ("x = 'metrics.best_value > 0'", {"best_value"}),
        ("x = f'compile.optimizer.learning_rate={rate}'", set()),
        ("x = 'the best_value of a run'", set()),
        ("x = f'{n} trials of the search.'", set()),
        ("def f():\n    'best_value'", set()),
        # Plain words, where they name something stored.
        ("x = run.data.tags['study']", {"study"}),
        ("tags['study'] = 's'", {"study"}),
        ("x = run.data.params['sampler']", {"sampler"}),
        ("x = study.user_attrs.get('folder', '')", {"folder"}),
        ("x = 'reason' in tags", {"reason"}),
        ("run.log_batch(metrics={'seconds': 1, **more})", {"seconds"}),
        ("run.log_batch({'seconds': 1}, tags={**more, 'state': s} if s else {})", {"state"}),
        ("run.tag_later({'state': s})", {"state"}),
        ("tracker.find({'trial': n})", {"trial"}),
        ("own_tags: dict = {'data': d} | more", {"data"}),
        ("tags |= {'data': d}", {"data"}),
        ("tags.update({'data': d})", {"data"}),
        ("def study_tags():\n    return {'study': 's'}", {"study"}),
        ("study.set_user_attr('script', '')", {"script"}),
        ("client.set_tag(run_id, 'reason', text)", {"reason"}),
        ("tracker.tag(run_id, 'checkpoint')", {"checkpoint"}),
        ("client.log_metric(run_id, key='epochs', value=3)", {"epochs"}),
        ("x = f\"tags.study = '{name}'\"", {"study"}),
        ("x = run.data.tags.get(Tags.KIND) == 'replay'", {"replay"}),
        ("def _params(space):\n    return fixed | {'sampler': 's'}", {"sampler"}),
        ("x = {Tags.KIND: 'replay'}", {"replay"}),
        ("x = tracker.run(kind='run')", {"run"}),
        ("x = row['trial'], {'study': 1}, more['data'], 'state'", set()),
    ],
)
def test_the_rule_itself(code: str, names: set[str]) -> None:
    assert {name for _, name in spelled(ast.parse(code))} == names


@pytest.fixture(scope="module")
def found() -> set[tuple[str, int, str]]:
    """Every spelled name, with its module and line."""
    return {
        (path, line, name)
        for path, tree in modules().items()
        if path != SCHEMA
        for line, name in spelled(tree)
    }


def test_no_stored_name_is_spelled_outside_of_the_schema(found: set[tuple[str, int, str]]) -> None:
    offenders = [
        f"{path}:{line}: {name!r}"
        for path, line, name in sorted(found)
        if (path, name) not in EXCEPTIONS
    ]
    assert not offenders, "use the constants of rnnexp.storage.schema:\n" + "\n".join(offenders)


def test_every_exception_is_needed(found: set[tuple[str, int, str]]) -> None:
    assert not EXCEPTIONS.keys() - {(path, name) for path, _, name in found}
