"""The table of findings in docs/faults.md is that of the code."""

import ast
import shutil
from pathlib import Path

import pytest

from ra_icl import cli
from ra_icl.errors import FaultKind, InputError
from ra_icl.planning.fault_table import BEGIN, END, ROOMS, fault_kinds, fault_table, replace_table

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "faults.md"


def declared():
    """{name of a kind: the file that declares it} of the package, read from its source."""
    found = {}
    for path in sorted((ROOT / "ra_icl").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "FaultKind":
                found[ast.literal_eval(node.args[0])] = path
    return found


def test_every_kind_that_the_code_declares_is_in_the_table():
    names = [kind.name for kind in fault_kinds()]
    assert names == sorted(declared())
    for name, path in declared().items():
        rooms = tuple(room.replace(".", "/") for room in ROOMS)
        assert path.relative_to(ROOT).as_posix().startswith(rooms), f"{name}: {path} is in none of {ROOMS}"


@pytest.mark.parametrize("kind", fault_kinds(), ids=lambda kind: kind.name)
def test_an_example_is_one_whole_line(kind):
    shown = kind.shown()
    assert "\n" not in shown
    assert shown.where
    assert shown.what
    assert shown.remedy
    assert kind.severity in ("fault", "warning", "note")


def test_the_page_has_the_table_of_the_code():
    text = PAGE.read_text(encoding="utf-8")
    table = text.partition(BEGIN)[2].partition(END)[0].strip()
    assert table == fault_table(), "run `ra-icl faults --into docs/faults.md`"


def test_the_command_prints_the_table_or_replaces_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(FaultKind, "all", {"a": FaultKind.all["face-missing"]})
    monkeypatch.setattr("sys.argv", ["ra-icl", "faults"])
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().out.splitlines()[2].startswith("| face-missing | casme3 spNO.1/a_355: no face is found")
    page = Path(shutil.copy(PAGE, tmp_path))
    replace_table(page)
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    assert (before, rest.partition(END)[2]) == (PAGE.read_text(encoding="utf-8").partition(BEGIN)[0], "")
    assert rest.partition(END)[0].strip() == fault_table()
    (tmp_path / "other.md").write_text("no such lines")
    with pytest.raises(InputError, match=r"other\.md: has no lines"):
        replace_table(tmp_path / "other.md")
