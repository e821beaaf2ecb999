"""The laws of the code, each a function that returns what breaks it; a temporary tree shows that it sees."""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

FILE, FUNCTION, NESTING = 300, 50, 3
_BLOCKS = (
    *(ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar),
    *(ast.With, ast.AsyncWith, ast.Match),
)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_LEFTOVERS = re.compile(
    r"\b(?:TO" + r"DO|FIX" + r"ME)\b|unittest" + r"\.mock|(?:mark|pytest)\." + r"(?:skip|xfail|importorskip)"
)
_MACHINE = re.compile(r"(?<![\w.:/~$}-])/(?:wo" + r"rk|ro" + r"ot|fa" + r"rm)(?:/|\b(?!-))")
_INDEX = re.compile(r"--(?:extra-)?index-url|--find-links|https?://")


def modules(*roots: Path) -> Iterator[tuple[Path, str, ast.Module]]:
    """Read every Python file below some folders."""
    for root in roots:
        for path in sorted(root.rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            yield path, text, ast.parse(text)


def foreign_imports(core: Path) -> list[str]:
    """Return imports of the core that are neither the standard library nor the core itself."""
    allowed = sys.stdlib_module_names | {core.name}
    return [
        f"{path}:{getattr(node, 'lineno', 0)} {name}"
        for path, _, tree in modules(core)
        for node in ast.walk(tree)
        for name in _imported(node)
        if name.partition(".")[0] not in allowed
    ]


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return ["." * node.level if node.level else str(node.module)]
    return []


def too_large(*roots: Path) -> list[str]:
    """Return files, functions and nestings beyond the limits."""
    found = []
    for path, text, tree in modules(*roots):
        if (lines := len(text.splitlines())) > FILE:
            found.append(f"{path}: {lines} lines")
        for function in _functions(tree):
            lines = (function.end_lineno or 0) - function.lineno + 1
            if lines > FUNCTION:
                found.append(f"{path}:{function.lineno} {function.name}: {lines} lines")
            if (depth := _depth(function)) > NESTING:
                found.append(f"{path}:{function.lineno} {function.name}: nested {depth} deep")
    return found


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, _FUNCTIONS))


def _depth(node: ast.AST) -> int:
    """Return how many blocks stand inside each other; an ``elif`` is not deeper than its ``if``."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (*_FUNCTIONS, ast.ClassDef, ast.Lambda)):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        deepest = max(deepest, _depth(child) + (isinstance(child, _BLOCKS) and not is_elif))
    return deepest


def undocumented(*roots: Path) -> list[str]:
    """Return modules and public classes, functions and methods without a docstring; a test's name is its sentence."""
    found = []
    for path, _, tree in modules(*roots):
        public = [tree, *_public(tree)]
        found += [f"{path} {getattr(thing, 'name', 'module')}" for thing in public if not ast.get_docstring(thing)]
    return found


def _public(node: ast.Module | ast.ClassDef) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for child in node.body:
        if not isinstance(child, (*_FUNCTIONS, ast.ClassDef)) or child.name.startswith(("_", "test_")):
            continue
        if _shares_one(child):
            continue
        yield child
        if isinstance(child, ast.ClassDef):
            yield from _public(child)


def _shares_one(child: ast.AST) -> bool:
    """Whether a function has its docstring elsewhere: at its first overload, or at the property that it sets."""
    marks = {ast.unparse(mark).rpartition(".")[2] for mark in getattr(child, "decorator_list", [])}
    return bool(marks & {"overload", "setter"})


def leftovers(*roots: Path) -> list[str]:
    """Return notes to oneself, patched modules and tests that are not run."""
    return [
        f"{path}:{number} {line.strip()}"
        for path, text, _ in modules(*roots)
        for number, line in enumerate(text.splitlines(), 1)
        if _LEFTOVERS.search(line)
    ]


def machine_paths(files: Iterable[Path]) -> list[str]:
    """Return lines that name a place of one machine."""
    return _lines(files, _MACHINE)


def index_addresses(files: Iterable[Path]) -> list[str]:
    """Return lines of requirements that say where a package comes from."""
    return _lines(files, _INDEX)


def _lines(files: Iterable[Path], pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path}:{number} {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="ignore").splitlines(), 1)
        if pattern.search(line)
    ]


def silent_tests(*roots: Path) -> list[str]:
    """Return test functions that assert nothing, themselves or through a helper of the tests."""
    trees = [(path, tree) for path, _, tree in modules(*roots)]
    speaking = {"raises", "raises_group"}
    while grown := {f.name for _, tree in trees for f in _functions(tree) if _speaks(f, speaking)} - speaking:
        speaking |= grown
    return [
        f"{path}:{function.lineno} {function.name}"
        for path, tree in trees
        for function in _functions(tree)
        if function.name.startswith("test_") and function.name not in speaking
    ]


def _speaks(function: ast.AST, speaking: set[str]) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in speaking:
                return True
    return False
