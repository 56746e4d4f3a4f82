"""Which code a step depends on, read from its imports, and a digest of it, so that only changed code runs again."""

import ast
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
HELP = ("Help", "paper", "code", "choice")  # calls whose texts are for people
LEFT_OUT = frozenset({"ra_icl.errors"})  # only words: an edited message changes no result


def code_digest(*modules: str) -> str:
    """SHA-256 over the code of `modules` and of all that they import from this package, directly or not.

    modules: dotted names, such as "ra_icl.training.fold". Docstrings, the options' help, comments and layout do not
    count. A module that is imported by a name put together at run time, as the flow's backends are, has to be named.
    Raises ValueError for a module that does not exist, and for a relative import.
    """
    digest = sha256()
    for name in sorted(dependencies(*modules)):
        digest.update(f"{name} {_read(name)[1]}\n".encode())
    return digest.hexdigest()


def dependencies(*modules: str) -> set[str]:
    """The modules of this package that `modules` depend on, including themselves and the packages above them."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in found and name not in LEFT_OUT:
            found.add(name)
            waiting.extend(_read(name)[0])
            waiting.extend([name.rpartition(".")[0]] if "." in name else [])
    return found


@cache
def _read(name: str) -> tuple[tuple[str, ...], str]:
    """The package's modules that a module imports anywhere, also inside functions, and a digest of its code."""
    path = _path(name)
    if path is None:
        raise ValueError(f"{name}: no such module of this package")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = tuple(_imported(tree, name))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in HELP:
            node.args = []
    return imported, sha256(repr(_plain(tree)).encode()).hexdigest()


def _plain(node: object) -> object:
    """A syntax tree as nested tuples, alike in all versions of Python.

    Neither ast.dump nor ast.unparse is: new versions have new fields, which are empty here, and other quotes.
    """
    if isinstance(node, list):
        return tuple(map(_plain, node))
    if not isinstance(node, ast.AST):
        return node
    fields = sorted((name, value) for name, value in ast.iter_fields(node) if value is not None and value != [])
    return (type(node).__name__, *((name, _plain(value)) for name, value in fields))


def _imported(tree: ast.Module, name: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == PACKAGE.name)
        if isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{name}, line {node.lineno}: a relative import; write the package's name")
            if node.module.split(".")[0] == PACKAGE.name:
                yield node.module
                # `from package import name`: the name may be a module of the package.
                names = (f"{node.module}.{alias.name}" for alias in node.names)
                yield from (module for module in names if _path(module))


def _path(name: str) -> Path | None:
    """The file of a module or package, or None."""
    stem = PACKAGE.parent / Path(*name.split("."))
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)
