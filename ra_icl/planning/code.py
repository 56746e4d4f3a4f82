"""Which code a step depends on, read from its imports, and a digest of it: a changed step runs again, no other does."""

import ast
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
# Only words: an edited message changes no result.
LEFT_OUT = frozenset({"ra_icl.errors"})


def code_digest(*modules: str) -> str:
    """SHA-256 over the syntax trees of `modules` and all they import from this package, directly or not.

    modules: dotted names, such as "ra_icl.training.fold". Docstrings, the options' help, comments and layout do not
    count.
    """
    digest = sha256()
    for name in sorted(dependencies(*modules)):
        digest.update(f"{name} {_tree_digest(name)}\n".encode())
    return digest.hexdigest()


def dependencies(*modules: str) -> set[str]:
    """The modules of this package that `modules` depend on, themselves and packages above them included."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in found and name not in LEFT_OUT:
            found.add(name)
            waiting.extend(_imports(name))
            waiting.extend([name.rpartition(".")[0]] if "." in name else [])
    return found


@cache
def _imports(name: str) -> tuple[str, ...]:
    """The package's modules that a module imports anywhere, inside functions too."""
    return tuple(_imported(_tree(name)))


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == PACKAGE.name)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE.name:
            yield node.module
            # `from package import name`: the name may be a module of the package.
            yield from (f"{node.module}.{alias.name}" for alias in node.names if _path(f"{node.module}.{alias.name}"))


@cache
def _tree_digest(name: str) -> str:
    tree = _tree(name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Help":
            node.args = []
    return sha256(ast.dump(tree).encode()).hexdigest()


def _tree(name: str) -> ast.Module:
    path = _path(name)
    if path is None:
        raise ValueError(f"{name}: no such module of this package")
    return ast.parse(path.read_text(encoding="utf-8"))


def _path(name: str) -> Path | None:
    """The file of a module or package, or None."""
    stem = PACKAGE.parent / Path(*name.split("."))
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)
