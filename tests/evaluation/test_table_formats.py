"""A table in its files: the same cells everywhere, notes where they belong, LaTeX that compiles."""

import base64
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from metrics_content import metrics, people
from page_tables import tables_of

from ra_icl.datasets.index import index_frame
from ra_icl.evaluation import table_formats as formats
from ra_icl.evaluation.count_tables import build_counts
from ra_icl.evaluation.differences import build_differences
from ra_icl.evaluation.tables import build_table, read_published

PUBLISHED = Path(__file__).parents[2] / "config" / "published.csv"
METHODS = {
    "m1": {"title": "M1, CausalNet's onset-apex maps", "mir": "→Apex*", "irc": False, "mrd": False},
    "m6": {"title": "M6_λ<1 & 50 %", "mir": True, "irc": True, "mrd": True},
}
PREAMBLE = r"""\documentclass[twocolumn]{article}
\usepackage{booktabs,amssymb}
\setlength{\textwidth}{506pt}\setlength{\columnwidth}{240pt}\setlength{\oddsidemargin}{-20pt}
\begin{document}
"""


def scores(number, *contents, methods=METHODS):
    return build_table(number, contents, read_published(PUBLISHED), methods)


def counts(number, source="datasets"):
    rows = [("casme2", "sub01", "disgust"), ("casme2", "sub02", "surprise"), ("samm", "006", "anger")]
    rows += [("casme3", "spNO.1", "happy"), ("casme3", "spNO.2", "others")]
    columns = ("dataset", "subject", "emotion")
    shared = {"frames": "f", "onset": 1, "apex": 3, "offset": 9, "fps": 30}
    index = [shared | dict(zip(columns, row, strict=True)) | {"sequence": f"s{i}"} for i, row in enumerate(rows)]
    return build_counts(number, index_frame(index), source)


def every_kind():
    """A table of every kind that a run can write, by the stem of its files."""
    several = {"seeds": (0, 1, 2), "subjects": people(0.6, seeds=3)}
    seven = people(0.6, {"casme3": 12}, seeds=3, classes=7)
    short = {name: method | {"title": name.upper()} for name, method in METHODS.items()}
    return {
        "table1": scores("1", metrics("m1", **several), metrics("m6", **several)),
        "table2": scores("2", metrics("m6", "casme3_7", seeds=(0, 1, 2), subjects=seven), metrics("m6", "casme3_3")),
        "table3": scores(
            "3", metrics("m1", **several), metrics("m6", selection="best_on_held_out", **several), methods=short
        ),
        "ablation_m6_low": scores("3", metrics("m6", source="twins")),
        "table_own": scores("own", metrics("m1", "own"), metrics("m6", "own")),
        "table4": counts("4"),
        "table5": counts("5", "twins"),
        "differences": build_differences([metrics("m6", **several), metrics("m1", **several)], "m6", METHODS),
    }


def body(tex):
    """The cells of a LaTeX table's rows, below its header, without headings of blocks."""
    lines = tex.split(r"\midrule", 1)[1].split(r"\bottomrule")[0].splitlines()
    rows = [line.removesuffix(r" \\").split(" & ") for line in lines if line.endswith(r" \\")]
    return [row for row in rows if len(row) > 1]


def test_markdown_holds_the_printed_cells_and_the_notes():
    table = scores("3", metrics("m1", seeds=(0, 1)))
    text = formats.markdown_text(table)
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    assert lines[0] == list(table.printed.columns)
    assert [[cell.replace("\\*", "*") for cell in line] for line in lines[2:]] == table.printed.to_numpy().tolist()
    assert text.startswith("**Table 3. Ablation")
    assert "take the midpoint of these sequences.\n" in text
    assert "Flow" not in text  # the record goes into the notes


def test_the_notes_hold_title_notes_and_record():
    table = scores("1", metrics("m1", source="public_flow"), metrics("m6", source="public_flow", seeds=(0, 2)))
    lines = formats.notes_text(table).splitlines()
    assert lines[0] == "# Table 1. Comparison under the CDE setting, UF1 and UAR in %; published flow maps"
    assert "- ±: sample standard deviation over 2 seeds." in lines
    assert any(line.startswith("- In LaTeX: best values are bold") for line in lines)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|"]
    assert rows[0] == list(table.record.columns)
    assert rows[2:] == table.record.to_numpy().tolist()
    assert "0123456789ab" in rows[2]


def test_every_table_writes_its_files_and_a_csv_that_opens_without_options(tmp_path):
    for stem, table in every_kind().items():
        formats.write_formats(table, tmp_path / stem)
        names = {f"{stem}.{suffix}" for suffix in ("csv", "md", "tex", "notes.md", "html")}
        assert names == {path.name for path in tmp_path.glob(f"{stem}.*")}
        read = pd.read_csv(tmp_path / f"{stem}.csv")
        assert list(read.columns) == list(table.data.columns)
        assert set(read["data"]) <= {"real", "synthetic", "published"}
        for suffix in ("md", "tex", "notes.md", "html"):
            twins = "SYNTHETIC TWINS" in (tmp_path / f"{stem}.{suffix}").read_text()
            assert twins == ("synthetic" in set(read["data"]))


def test_the_page_holds_the_printed_cells_the_notes_and_the_other_files(tmp_path):
    table = scores("3", metrics("m1", source="twins", seeds=(0, 1)), metrics("m6", source="twins"))
    formats.write_formats(table, tmp_path / "table3")
    text = (tmp_path / "table3.html").read_text()
    for shown, frame in zip(tables_of(text), (table.printed, table.record), strict=True):
        assert shown == [list(frame.columns), *frame.to_numpy().tolist()]
    assert "<strong>61.25</strong>" in text  # the better of the two
    assert "<h1>Table 3. Ablation of the components of Ra-ICL under the CDE setting, UF1 and UAR in %</h1>" in text
    assert '<p class="caveat">SYNTHETIC TWINS: not comparable with any published number</p>' in text
    assert "<li>±: sample standard deviation over 2 seeds.</li>" in text
    for suffix in ("csv", "md", "tex"):
        (data,) = re.findall(rf'download="table3.{suffix}" href="data:[^;]+;base64,([^"]+)"', text)
        assert base64.b64decode(data) == (tmp_path / f"table3.{suffix}").read_bytes()


def test_latex_holds_the_printed_cells_with_the_source_behind_the_name():
    table = scores("1", metrics("m1", seeds=(0, 1)), metrics("m6"))
    rows = body(formats.latex_text(table, "table1"))
    assert rows[8] == [
        *("HTNet, Wang et al. (2024)", r"\underline{86.03}", "84.75", r"\underline{95.32}", r"\underline{95.16}"),
        *(r"\underline{81.31}", "81.24", r"\underline{80.49}", r"\underline{79.05}"),
    ]
    assert rows[-2][:3] == [*("M1, CausalNet's onset-apex maps", r"11.25{\tiny$\pm$0.11}", r"12.25{\tiny$\pm$0.21}")]
    assert rows[-1][:3] == [r"M6\_$\lambda$$<$1 \& 50 \%", r"\textbf{61.25}", r"\textbf{62.25}"]
    for number, row in enumerate(rows):
        plain = [
            cell.replace(r"\textbf{", "").replace(r"\underline{", "").split("{")[0].rstrip("}") for cell in row[1:]
        ]
        assert plain == [text.split(" ± ")[0] for text in table.printed.iloc[number, 3:]]


def test_latex_prints_the_deviation_behind_the_value_and_the_interval_below():
    start, end = r"\begin{tabular}[t]{@{}l@{}}", r"\end{tabular}"
    assert formats._latex_cell("61.25 ± 0.11 [52.1, 70.3]", "textbf") == (
        start + r"\textbf{61.25}{\tiny$\pm$0.11}\\[-3pt]{\tiny[52.1, 70.3]}" + end
    )
    assert formats._latex_cell("−4.50 [−9.1, 0.3]", "") == start + r"$-$4.50\\[-3pt]{\tiny[$-$9.1, 0.3]}" + end
    assert formats._latex_cell("M6 [ours] ± 2", "") == r"M6 [ours] $\pm$ 2"  # a title is no number


def test_latex_has_a_header_over_each_pair_of_scores_and_a_heading_over_each_block():
    lines = formats.latex_text(scores("3", metrics("m1"), metrics("m6")), "table3").splitlines()
    groups = [rf"\multicolumn{{2}}{{c}}{{{name}}}" for name in ("Composite", "CASME II", "SAMM", "SMIC-HS")]
    at = lines.index(" &  &  &  & " + " & ".join(groups) + r" \\")
    assert lines[at + 1] == r"\cmidrule(lr){5-6}\cmidrule(lr){7-8}\cmidrule(lr){9-10}\cmidrule(lr){11-12}"
    assert lines[at + 2] == "Method & MIR & IRC & MRD & " + " & ".join(["UF1 & UAR"] * 4) + r" \\"
    assert lines[at + 4] == r"\multicolumn{12}{@{}l}{\emph{Published}} \\"
    assert lines[at + 15 : at + 17] == [r"\midrule", r"\multicolumn{12}{@{}l}{\emph{This run}} \\"]


def test_latex_is_wide_where_its_columns_are_many():
    texts = {stem: formats.latex_text(table, stem) for stem, table in every_kind().items()}
    wide = [stem for stem, text in texts.items() if r"\begin{table*}" in text]
    assert wide == ["table1", "table2", "table3", "ablation_m6_low", "table_own", "differences"]
    assert r"\label{tab:ablation_m6_low}" in texts["ablation_m6_low"]
    assert r"\caption{Ablation of the components" in texts["table3"]  # LaTeX numbers it
    assert r"optimistic.}" in texts["table3"]
    assert all(text.isascii() for text in texts.values())


def test_latex_escapes_every_special_character_once():
    assert formats.latex("50 % & a_b ² ± \\") == r"50 \% \& a\_b $^2$ $\pm$ \textbackslash{}"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles_and_fits_a_page_of_two_columns(tmp_path):
    tables = every_kind()
    for stem, table in tables.items():
        formats.write_formats(table, tmp_path / stem)
    text = "".join(f"\\input{{{stem}}}\n" for stem in tables) + "Text.\\end{document}"
    (tmp_path / "all.tex").write_text(PREAMBLE + text)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-800:]
    assert "Overfull" not in result.stdout
