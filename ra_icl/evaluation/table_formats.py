"""A table as CSV for programs, as Markdown, LaTeX and a page of the report for people, and its notes."""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ra_icl import files
from ra_icl.evaluation import pages

EMPTY = "–"
BLOCKS = {"published": "Published", "real": "This run", "synthetic": "This run"}
STRONG = ("textbf", "underline")  # the best and the second-best value of a column
STRONG_NOTE = (
    "Best values are bold and second-best underlined, among rows of the same data, number of classes and training set"
)
RECORD_NOTE = (
    "Flow: the first digits of the digest of all flow that was read; "
    "u, v and strain: mean (smallest to largest) over all sequences, as stored"
)
# A value, its deviation over seeds and the ends of its interval.
NUMBER = re.compile(r"([+−]?[0-9]+\.[0-9]+)(?: ± ([0-9.]+))?(?: (\[[^]]+\]))?")
# Characters per line: above the first, a table spans both columns of a page; above the second, its print is smaller.
WIDE, CROWDED = 50, 110
LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"±": r"$\pm$", "²": "$^2$", "³": "$^3$", "→": r"$\rightarrow$", "×": r"$\times$", "≤": r"$\leq$"},
    **{"<": "$<$", ">": "$>$", "|": "$|$", "✓": r"$\checkmark$", "–": "--", "−": "$-$"},
    **{"μ": r"$\mu$", "µ": r"$\mu$", "λ": r"$\lambda$"},
}


@dataclass(frozen=True)
class Table:
    """A table ready to write.

    number: 1 to 5, or a name such as "own" or "differences". said: the caveats that follow the caption. data: the CSV,
    plain values with a column `data`. printed: the cells for people, all text. strong: shaped like `printed`, "textbf"
    or "underline" where LaTeX emphasises a value, else "". record: a row per measured row, all text, with what it was
    computed from; it goes into the notes.
    """

    number: str
    caption: str
    said: tuple[str, ...]
    notes: tuple[str, ...]
    data: pd.DataFrame
    printed: pd.DataFrame
    strong: pd.DataFrame | None = None
    record: pd.DataFrame | None = None

    @property
    def heading(self) -> str:
        """The caption, preceded by the table's number in the paper."""
        return f"Table {self.number}. {self.caption}" if self.number.isdigit() else self.caption

    @property
    def title(self) -> str:
        """The heading and, after each "; ", a caveat."""
        return "; ".join([self.heading, *self.said])


def write_formats(table: Table, out_stem: Path) -> None:
    """Write a table as `out_stem`.csv, .md, .tex, .notes.md and .html, which holds the first three, each atomically."""
    files.write_csv(f"{out_stem}.csv", table.data)
    texts = {"md": markdown_text(table), "tex": latex_text(table, Path(out_stem).name), "notes.md": notes_text(table)}
    for suffix, text in texts.items():
        with files.atomic(f"{out_stem}.{suffix}") as temporary:
            temporary.write_text(text, encoding="utf-8")
    pages.write_page(f"{out_stem}.html", table.heading, _page(table, out_stem), table.said)


def _page(table: Table, out_stem: Path) -> list[str]:
    """The parts of the page: rows, notes, what each row was computed from, the other files."""
    notes = [*table.notes, *([STRONG_NOTE] if _emphasised(table) else [])]
    parts = [pages.rows(table.printed, table.strong), pages.bullets(notes)]
    if table.record is not None:
        record = pages.rows(table.record) + pages.bullets([RECORD_NOTE])
        parts.append(pages.folded("What each row of this run was computed from", record))
    return [*parts, pages.downloads(f"{out_stem}.{suffix}" for suffix in ("csv", "md", "tex"))]


def markdown_text(table: Table) -> str:
    """The table as Markdown: title, rows, notes."""
    parts = [f"**{table.title}**", _markdown_rows(table.printed), *(f"{_markdown(note)}." for note in table.notes)]
    return "\n\n".join(parts) + "\n"


def notes_text(table: Table) -> str:
    """Title and notes as Markdown, and a row for each measured row with what it was computed from."""
    notes = list(table.notes)
    if table.strong is not None:
        notes.append(f"In LaTeX: {STRONG_NOTE[0].lower()}{STRONG_NOTE[1:]}")
    if table.record is not None:
        notes.append(RECORD_NOTE)
    parts = [f"# {_markdown(table.title)}", "\n".join(f"- {_markdown(note)}." for note in notes)]
    if table.record is not None:
        parts.append(_markdown_rows(table.record))
    return "\n\n".join(filter(None, parts)) + "\n"


def _markdown_rows(frame: pd.DataFrame) -> str:
    return frame.map(_markdown).to_markdown(index=False, disable_numparse=True)


def _markdown(text: str) -> str:
    return text.replace("*", r"\*").replace("|", r"\|")


def latex_text(table: Table, label: str) -> str:
    """The table as LaTeX for booktabs and amssymb, with label tab:`label`; `table*` if it is wide.

    A heading divides published rows from those of this run; the source of a published row follows its name.
    """
    named = _names_with_sources(table.printed)
    characters = sum(max(map(len, [column, *named[column]])) for column in named)
    environment = "table*" if characters > WIDE else "table"
    size, gap = (r"\scriptsize", "2pt") if characters > CROWDED else (r"\footnotesize", "3pt")
    lines = [
        r"% Needs \usepackage{booktabs,amssymb}. Every run writes this file again.",
        rf"\begin{{{environment}}}[tbp]",
        r"\centering\setlength{\belowcaptionskip}{4pt}",
        rf"\caption{{{latex('; '.join([table.caption, *table.said]))}.}}",
        rf"\label{{tab:{label}}}",
        rf"{size}\setlength{{\tabcolsep}}{{{gap}}}",
        *_tabular(_latex_cells(named, table.strong), table.printed.get("Data")),
        *_latex_notes(table),
        rf"\end{{{environment}}}",
    ]
    return "\n".join(lines) + "\n"


def latex(text: str) -> str:
    """`text` with LaTeX's special characters and the field's symbols replaced by commands."""
    return "".join(LATEX.get(character, character) for character in text)


def _names_with_sources(printed: pd.DataFrame) -> pd.DataFrame:
    """The printed cells without the columns that LaTeX shows as headings of blocks or behind a method's name."""
    named = printed.copy()
    if "Source" in named:
        published = named["Data"] == "published"
        named["Method"] = named["Method"].where(~published, named["Method"] + ", " + named["Source"])
    return named.drop(columns=["Data", "Source"], errors="ignore")


def _latex_cells(cells: pd.DataFrame, strong: pd.DataFrame | None) -> pd.DataFrame:
    """Cells as LaTeX; strong: shaped like them, or with more columns."""
    strong = pd.DataFrame("", cells.index, cells.columns) if strong is None else strong
    return pd.DataFrame({column: list(map(_latex_cell, cells[column], strong[column])) for column in cells})


def _latex_cell(text: str, strong: str) -> str:
    """A cell as LaTeX: the value, emphasised with the command `strong` if given; the rest in small print."""
    number = NUMBER.fullmatch(text)
    if number is None:
        return latex(text)
    value, deviation, interval = number.groups()
    value = rf"\{strong}{{{latex(value)}}}" if strong else latex(value)
    cell = rf"{value}{{\tiny$\pm${deviation}}}" if deviation else value
    if interval is None:
        return cell
    # Below the value, because beside it four pairs of scores are wider than a page.
    return rf"\begin{{tabular}}[t]{{@{{}}l@{{}}}}{cell}\\[-3pt]{{\tiny{latex(interval)}}}\end{{tabular}}"


def _tabular(cells: pd.DataFrame, blocks: pd.Series | None) -> list[str]:
    scores = [column for column in cells if column.endswith(("UF1", "UAR"))]
    # On the left, values line up even if only some of them are followed by small print.
    side = "l" if cells[scores].map(lambda cell: r"\tiny" in cell).any(axis=None) else "r"
    columns = "".join(side if column in scores else "l" for column in cells)
    lines = [rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}", r"\toprule", *_latex_header(list(cells)), r"\midrule"]
    rows = [" & ".join(row) + r" \\" for row in cells.itertuples(index=False)]
    return [*lines, *_blocks(rows, blocks, cells.shape[1]), r"\bottomrule", r"\end{tabular}"]


def _blocks(rows: list[str], blocks: pd.Series | None, columns: int) -> list[str]:
    """The rows, under a heading for each kind of data if there are several."""
    if blocks is None or blocks.nunique() < 2:
        return rows
    lines: list[str] = []
    for number, kind in enumerate(blocks.unique()):
        heading = rf"\multicolumn{{{columns}}}{{@{{}}l}}{{\emph{{{BLOCKS[kind]}}}}} \\"
        of_kind = [row for row, data in zip(rows, blocks, strict=True) if data == kind]
        lines += [*([r"\midrule"] if number else []), heading, *of_kind]
    return lines


def _latex_header(columns: list[str]) -> list[str]:
    """One line of titles; above it the datasets' names if UF1 and UAR are given for several."""
    parted = [column.rsplit(" ", 1) if column.endswith((" UF1", " UAR")) else ["", column] for column in columns]
    below = " & ".join(latex(name) for _, name in parted) + r" \\"
    groups = list(dict.fromkeys(group for group, _ in parted if group))
    if not groups:
        return [below]
    first = sum(not group for group, _ in parted)
    above = [""] * first + [rf"\multicolumn{{2}}{{c}}{{{latex(group)}}}" for group in groups]
    starts = [first + 1 + 2 * number for number in range(len(groups))]
    return [" & ".join(above) + r" \\", "".join(rf"\cmidrule(lr){{{s}-{s + 1}}}" for s in starts), below]


def _emphasised(table: Table) -> bool:
    return table.strong is not None and bool((table.strong != "").any(axis=None))


def _latex_notes(table: Table) -> list[str]:
    """The notes below the rows, as wide as the float; none if there are none."""
    text = " ".join(f"{latex(note)}." for note in (*table.notes, *([STRONG_NOTE] if _emphasised(table) else [])))
    below = rf"\par\smallskip\begin{{minipage}}{{\linewidth}}\footnotesize {text}\end{{minipage}}"
    return [below] if text else []
