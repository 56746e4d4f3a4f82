"""The paper's Tables 1-3, and one of own data, as CSV, Markdown and LaTeX: published rows apart from measured ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ra_icl import files
from ra_icl.datasets.index import TITLES
from ra_icl.errors import InputError
from ra_icl.evaluation.metrics import caveats

CAPTIONS = {
    "1": "Comparison under the CDE setting, UF1 and UAR in %",
    "2": "Comparison on CAS(ME)³, UF1 and UAR in %",
    "3": "Ablation of the components of Ra-ICL under the CDE setting, UF1 and UAR in %",
    "own": "Own data, leave-one-subject-out, UF1 and UAR in %",
}
PROTOCOLS = {"1": ("cde",), "2": ("casme3_3", "casme3_4", "casme3_7"), "3": ("cde",), "own": ("own",)}
LEADING = {
    "1": ["Method", "Source", "Numbers"],
    "2": ["Method", "Source", "Numbers", "Classes"],
    "3": ["Method", "MIR", "IRC", "MRD", "Numbers"],
    "own": ["Method", "MIR", "IRC", "MRD", "Numbers"],
    "4": ["Class"],
    "5": ["Class"],
}
MIDPOINT_NOTE = "SMIC-HS has no apex annotation: where a method needs an apex, it is the midpoint of the sequence"
MARKS_NOTE = "→X: replaced by X. Apex*: a single onset/apex instance. Apex: sampling in a neighbourhood of the apex"
CDE_SUBSETS = {"composite": "Composite"} | {name: TITLES[name] for name in ("casme2", "samm", "smic")}
EMPTY = "–"
SCORES = {"uf1": "UF1", "uar": "UAR"}
LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"±": r"$\pm$", "²": "$^2$", "³": "$^3$", "→": r"$\rightarrow$", "×": r"$\times$"},
    **{"✓": r"$\checkmark$", "–": "--", "−": "$-$", "μ": r"$\mu$", "µ": r"$\mu$", "λ": r"$\lambda$"},
}
LATEX_HEAD = "% Needs \\usepackage{booktabs,amssymb,graphicx}; written again by every run.\n"
# The natural width where it fits, else scaled down to the line: eleven columns with ± do not fit.
LATEX_FIT = "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n"


@dataclass(frozen=True)
class Table:
    """A table ready to print: every cell of `rows` is text; the first `published` rows are quoted."""

    number: str
    title: str
    notes: tuple[str, ...]
    rows: pd.DataFrame
    published: int


def write_table(
    number: str,
    metrics_jsons: Sequence[Path],
    published: Path,
    out_stem: Path,
    methods: Mapping[str, Mapping[str, Any]],
) -> None:
    """Write table `number` ("1", "2", "3" or "own") as `out_stem`.csv, .md and .tex.

    See `build_table` for `methods` and for what raises InputError. The CSV opens with one comment
    line, `# title`: read it with skiprows=1.
    """
    metrics = [read_metrics(path) for path in metrics_jsons]
    write_texts(build_table(number, metrics, read_published(published), methods), out_stem)


def write_texts(table: "Table", out_stem: Path) -> None:
    """Write a table as `out_stem`.csv, .md and .tex."""
    writers = {"csv": csv_text, "md": markdown_text, "tex": latex_text}
    for suffix, text in writers.items():
        with files.atomic(f"{out_stem}.{suffix}") as temporary:
            temporary.write_text(text(table), encoding="utf-8")


def build_table(
    number: str,
    metrics: Sequence[Mapping[str, Any]],
    published: pd.DataFrame,
    methods: Mapping[str, Mapping[str, Any]],
) -> Table:
    """Table `number` from metrics (as `metrics.aggregate` writes them) and the published rows.

    `methods` maps a method's name to its "title" and, for Table 3, its marks "mir", "irc" and "mrd"
    (text, or true/false for ✓/×); measured rows keep its order. Published rows come first, and are
    left out altogether where the data is synthetic.
    Raises InputError for another number, no metrics, metrics of another protocol, a method without
    a title, and rows that differ in their data source.
    """
    if number not in CAPTIONS:
        raise InputError(f"table {number}: no such table; choose one of {', '.join(CAPTIONS)}")
    _require_metrics(number, metrics, methods)
    synthetic = _data_source(number, metrics) == "twins"
    quoted = published[published["table"] == number][: 0 if synthetic else None]
    rows = [_published_row(number, row) for row in quoted.to_dict("records")]
    order = list(methods)
    ordered = sorted(metrics, key=lambda m: (len(m["classes"]), order.index(m["method"])))
    rows += [_measured_row(number, content, methods[content["method"]]) for content in ordered]
    title = "; ".join([f"{_prefix(number)}{CAPTIONS[number]}", *_caveats(metrics)])
    columns = [*LEADING[number], *_score_columns(number)]
    frame = pd.DataFrame(rows, columns=columns)
    return Table(number, title, tuple(_notes(number, metrics)), frame, len(quoted))


def read_metrics(path: Path) -> dict[str, Any]:
    """Read a metrics JSON. Raises InputError where a key that a table or figure needs is missing."""
    content = files.read_json(path)
    needed = ("method", "protocol", "classes", "seeds", "scores", "confusion")
    for key in (*needed, "data_source", "selection"):
        if key not in content:
            raise InputError(f"{path}: key {key} is missing; delete the file and run again")
    return content


def read_published(path: Path) -> pd.DataFrame:
    """Read the published rows: text columns, lines that open with # skipped, empty cells as "".

    Raises InputError, naming the file and the row, for missing columns and cells that are no numbers.
    """
    try:
        rows = pd.read_csv(path, comment="#", dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read as CSV ({reason}); restore it") from error
    numeric = [f"{subset}_{score}" for subset in CDE_SUBSETS for score in SCORES]
    for column in ("table", "method", "source", "classes", *numeric, "mir", "irc", "mrd"):
        if column not in rows:
            raise InputError(f"{path}: column {column} is missing; add it or restore the file")
    for column in numeric:
        bad = pd.to_numeric(rows[column].replace("", "0"), errors="coerce").isna()
        if bad.any():
            row = rows[bad].iloc[0]
            where = f"{path}: table {row['table']}, {row['method']}, {column}"
            raise InputError(f"{where}: {row[column]!r} is not a number; correct it or leave it empty")
    return rows


def csv_text(table: Table) -> str:
    """The table as CSV: one comment line with the title and the notes, then plain columns."""
    title = ". ".join([table.title, *table.notes])
    return f"# {title}\n{table.rows.to_csv(index=False)}"


def markdown_text(table: Table) -> str:
    """The table as Markdown: title, rows, notes."""
    rows = table.rows.map(_markdown)
    body = rows.to_markdown(index=False, disable_numparse=True)
    parts = [f"**{table.title}**", body, *(f"{_markdown(note)}." for note in table.notes)]
    return "\n\n".join(parts) + "\n"


def _markdown(text: str) -> str:
    return text.replace("*", r"\*").replace("|", r"\|")


def latex_text(table: Table) -> str:
    """The table as LaTeX (booktabs): caption, label tab:table<number>, a rule below published rows."""
    frame = table.rows.map(latex)
    frame.columns = _latex_header(frame.columns)
    leading = len(LEADING[table.number])
    tabular = frame.style.hide(axis="index").to_latex(
        hrules=True,
        column_format="l" * leading + "r" * (frame.shape[1] - leading),
        multicol_align="c",
    )
    caption = ". ".join([table.title.removeprefix(_prefix(table.number)), *table.notes])
    head = f"\\begin{{table}}[htbp]\n\\centering\n\\caption{{{latex(caption)}.}}\n"
    label = f"\\label{{tab:table{table.number}}}\n"
    body = LATEX_FIT + _rule_after(tabular, table.published, len(table.rows)).rstrip() + "}\n"
    return LATEX_HEAD + head + label + body + "\\end{table}\n"


def latex(text: str) -> str:
    """`text` with LaTeX's special characters and the field's symbols replaced by commands."""
    return "".join(LATEX.get(character, character) for character in text)


def _prefix(number: str) -> str:
    return f"Table {number}. " if number.isdigit() else ""


def _latex_header(columns: Sequence[str]) -> pd.Index:
    """Two header lines where scores are grouped by dataset, else one."""
    grouped = (" UF1", " UAR")
    pairs = [map(latex, c.rsplit(" ", 1)) if c.endswith(grouped) else ("", latex(c)) for c in columns]
    header = pd.MultiIndex.from_tuples(map(tuple, pairs))
    return header if any(header.get_level_values(0)) else header.droplevel(0)


def _rule_after(tabular: str, published: int, rows: int) -> str:
    """Set a \\midrule between the published and the measured rows."""
    if not 0 < published < rows:
        return tabular
    lines = tabular.split("\n")
    lines.insert(lines.index("\\midrule") + 1 + published, "\\midrule")
    return "\n".join(lines)


def _score_columns(number: str) -> list[str]:
    if number in ("2", "own"):
        return list(SCORES.values())
    return [f"{title} {score}" for title in CDE_SUBSETS.values() for score in SCORES.values()]


def _subsets(number: str) -> list[str]:
    return ["composite"] if number in ("2", "own") else list(CDE_SUBSETS)


def _published_row(number: str, row: Mapping[str, str]) -> list[str]:
    """A row of published.csv as the cells of the table."""
    scores = [row[f"{subset}_{score}"] or EMPTY for subset in _subsets(number) for score in SCORES]
    return _leading(number, row, row["method"], row["source"], "published", row["classes"]) + scores


def _measured_row(number: str, metrics: Mapping[str, Any], method: Mapping[str, Any]) -> list[str]:
    """Metrics as the cells of the table."""
    classes = str(len(metrics["classes"]))
    leading = _leading(number, method, method["title"], "this run", "measured", classes)
    found = [metrics["scores"].get(subset) for subset in _subsets(number)]
    return leading + [percent(scores and scores[score]) for scores in found for score in SCORES]


def _leading(number: str, marks: Mapping[str, Any], method: str, source: str, numbers: str, classes: str) -> list[str]:
    """The cells before the scores, in the order of LEADING."""
    cells = {"Method": method, "Source": source, "Numbers": numbers, "Classes": classes}
    cells |= {name: _mark(marks.get(name.lower())) for name in ("MIR", "IRC", "MRD")}
    return [cells[name] for name in LEADING[number]]


def percent(score: Mapping[str, Any] | None) -> str:
    """A score in 0..1 as "mean" or "mean ± std" in %, two decimals; "–" for none."""
    if score is None:
        return EMPTY
    mean = f"{100 * score['mean']:.2f}"
    return mean if score["std"] is None else f"{mean} ± {100 * score['std']:.2f}"


def _mark(mark: Any) -> str:
    if isinstance(mark, bool):
        return "✓" if mark else "×"
    return str(mark) if mark else EMPTY


def _require_metrics(
    number: str, metrics: Sequence[Mapping[str, Any]], methods: Mapping[str, Mapping[str, Any]]
) -> None:
    """Raise InputError unless there are metrics, all of the table's protocols and of named methods."""
    if not metrics:
        raise InputError(f"table {number}: no metrics given; name at least one metrics JSON")
    for content in metrics:
        method, protocol = content["method"], content["protocol"]
        if protocol not in PROTOCOLS[number]:
            choices = ", ".join(PROTOCOLS[number])
            raise InputError(f"table {number}: {method} has protocol {protocol}; it takes {choices}")
        if "title" not in methods.get(method, {}):
            raise InputError(f"table {number}: method {method} has no title; set methods.{method}.title")


def _data_source(number: str, metrics: Sequence[Mapping[str, Any]]) -> str:
    """The data source of all rows. Raises InputError where rows differ in it."""
    found = sorted({content["data_source"] for content in metrics})
    if len(found) > 1:
        raise InputError(f"table {number}: rows from {' and '.join(found)} in one table; make one of each")
    return found[0]


def _caveats(metrics: Sequence[Mapping[str, Any]]) -> list[str]:
    """The caveats of any row, each once."""
    found = [caveats(content["data_source"], content["selection"]) for content in metrics]
    return list(dict.fromkeys(caveat for row in found for caveat in row))


def _notes(number: str, metrics: Sequence[Mapping[str, Any]]) -> list[str]:
    """What stands below the table: the ablation's marks, and what ± means."""
    seeds = sorted({len(content["seeds"]) for content in metrics} - {1})
    notes = [MARKS_NOTE] if "MIR" in LEADING[number] else []
    # Published flow maps come with the apex that their authors chose.
    if number == "3" and metrics[0]["data_source"] != "public_flow":
        notes.insert(0, MIDPOINT_NOTE)
    if seeds:
        several = " or ".join(map(str, seeds))
        notes.append(f"±: sample standard deviation over {several} seeds")
    return notes
