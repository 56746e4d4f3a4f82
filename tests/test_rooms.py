"""The rooms of the package: imports between them run one way, and each says what belongs there."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ra_icl"
BASE = {"errors", "options", "files"}
MAY_IMPORT = {
    "errors": set(),
    "options": {"errors"},
    "files": {"errors", "options"},
    "datasets": BASE,
    "flow": BASE,
    "model": BASE,
    "peers": BASE,
    "faces": BASE | {"datasets"},
    "twins": BASE | {"datasets", "flow"},
    "training": BASE | {"datasets", "flow", "model", "peers"},
    "evaluation": BASE | {"datasets", "flow", "model"},
    "attention": BASE | {"datasets", "flow", "model", "twins", "training", "evaluation"},
    "planning": BASE | {"datasets", "flow", "model", "peers", "faces", "twins", "training", "evaluation"},
    "recognition": BASE | {"datasets", "flow", "model", "faces", "training", "evaluation", "planning"},
}
MAY_IMPORT["cli"] = set(MAY_IMPORT)
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path):
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def rooms_imported(path):
    """The rooms that a file imports, inside functions too, with the line of each import."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: relative import"
            names = [f"ra_icl.{alias.name}" for alias in node.names] if node.module == "ra_icl" else [node.module]
        for name in names:
            parts = name.split(".")
            if parts[0] == "ra_icl" and parts[1:] and parts[1] != "__version__":
                yield parts[1], node.lineno


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    room = room_of(path)
    if room == "__init__":
        return
    for imported, line in rooms_imported(path):
        assert imported == room or imported in MAY_IMPORT[room], f"{path}:{line}: {room} may not import {imported}"


def test_every_room_is_listed_and_says_what_belongs_there():
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    loose = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert rooms | loose == set(MAY_IMPORT)
    assert loose == BASE
    for room in rooms:
        text = importlib.import_module(f"ra_icl.{room}").__doc__
        assert "May import" in text, room


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_and_functions_are_short(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            code = node.end_lineno - node.body[0].lineno + 1
            documented = ast.get_docstring(node) is not None
            lines = node.end_lineno - node.body[1].lineno + 1 if documented and node.body[1:] else code
            assert lines <= 40, f"{path}:{node.lineno}: {node.name} has {lines} lines"


BLOCKED = ("pydantic", "typer", "snakemake", "cv2", "torchvision")


@pytest.mark.parametrize("module", ["ra_icl.training.fold", "ra_icl.model.siamese", "ra_icl.flow.subjects"])
def test_what_trains_needs_neither_the_command_line_nor_opencv(module):
    code = f"import sys\nfor name in {BLOCKED}: sys.modules[name] = None\nimport {module}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_plan_needs_neither_torch_nor_opencv():
    code = "import sys\nfor name in ('torch', 'cv2', 'numba'): sys.modules[name] = None\nimport ra_icl.planning.plan"
    subprocess.run([sys.executable, "-c", code], check=True)
