"""The table of all kinds of findings about data, as docs/faults.md shows it."""

import importlib
import pkgutil
import re
from pathlib import Path

from ra_icl.errors import FaultKind, InputError
from ra_icl.files import atomic

ROOMS = ("ra_icl.datasets", "ra_icl.faces", "ra_icl.evaluation", "ra_icl.planning")  # they declare kinds of findings
BEGIN, END = "<!-- ra-icl faults: begin -->\n", "<!-- ra-icl faults: end -->\n"


def fault_kinds() -> list[FaultKind]:
    """Every kind of finding, by name. Imports the modules of ROOMS."""
    for room in ROOMS:
        for module in pkgutil.iter_modules(importlib.import_module(room).__path__, f"{room}."):
            importlib.import_module(module.name)
    return [FaultKind.all[name] for name in sorted(FaultKind.all)]


def fault_table() -> str:
    """A row per kind in Markdown: name and severity, what an example says, what to do."""
    rows = ["| kind | example | what to do |", "|---|---|---|"]
    for kind in fault_kinds():
        shown = kind.shown()
        name = kind.name if kind.severity == "fault" else f"{kind.name} ({kind.severity})"
        rows.append(f"| {name} | {_cell(f'{shown.where}: {shown.what}')} | {_cell(shown.remedy)} |")
    return "\n".join(rows)


def replace_table(page: Path) -> None:
    """Write the table between BEGIN and END of a page. Raises InputError if the page lacks them."""
    text = page.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise InputError(f"{page}: has no lines {BEGIN.strip()} and {END.strip()}; add them where the table belongs")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    with atomic(page) as temporary:
        temporary.write_text(f"{before}{BEGIN}\n{fault_table()}\n\n{END}{after}", encoding="utf-8")


def _cell(text: str) -> str:
    return re.sub(r"([\\|*<])", r"\\\1", text)
