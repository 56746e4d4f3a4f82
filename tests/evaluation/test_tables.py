"""Tables 1-3: which rows, which marks, which titles; the published numbers; LaTeX that compiles."""

import shutil
import subprocess
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from ra_icl import files
from ra_icl.errors import InputError
from ra_icl.evaluation import tables

PUBLISHED = Path(__file__).parents[2] / "config" / "published.csv"
METHODS = {
    "m1": {"title": "M1", "mir": "→Apex*", "irc": False, "mrd": "×"},
    "m6": {"title": "M6 (ours)", "mir": True, "irc": "✓", "mrd": "✓"},
}
CLASSES = {"cde": 3, "casme3_3": 3, "casme3_4": 4, "casme3_7": 7}


def score(mean, std=None):
    return {"mean": mean, "std": std, "per_seed": [mean]}


def metrics(method="m6", protocol="cde", *, source="datasets", selection="last", std=None, seeds=(0,)):
    """Metrics as aggregation writes them; every UF1 0.5, every UAR 0.25, no SMIC-HS."""
    subsets = ("composite", "casme2", "samm") if protocol == "cde" else ("composite", "casme3")
    return {
        "method": method,
        "protocol": protocol,
        "classes": [f"c{index}" for index in range(CLASSES[protocol])],
        "seeds": list(seeds),
        "scores": {s: {"uf1": score(0.5, std), "uar": score(0.25, std)} for s in subsets},
        "confusion": {},
        "data_source": source,
        "selection": selection,
    }


def build(number, *contents):
    return tables.build_table(number, contents, tables.read_published(PUBLISHED), METHODS)


def test_published_numbers_are_those_of_the_paper():
    rows = tables.read_published(PUBLISHED)
    assert rows["table"].value_counts().to_dict() == {"1": 12, "2": 17, "3": 10}
    scores = ["composite_uf1", "composite_uar", "casme2_uf1", "casme2_uar"]
    scores += ["samm_uf1", "samm_uar", "smic_uf1", "smic_uar"]
    ours = [row for row in rows.to_dict("records") if row["method"] in ("Ra-ICL (ours)", "M6 (ours)")]
    paper = ["88.05", "89.11", "96.20", "96.20", "86.68", "88.85", "81.79", "82.74"]
    assert [ours[0][key] for key in scores] == paper == [ours[-1][key] for key in scores]
    casme3 = {row["classes"]: (row["composite_uf1"], row["composite_uar"]) for row in ours[1:-1]}
    assert casme3 == {"3": ("75.85", "74.54"), "4": ("61.03", "58.48"), "7": ("44.32", "43.17")}
    best = rows[(rows["table"] == "1") & (rows["method"] == "HTNet")].iloc[0]
    assert best["source"] == "Wang et al. (2024)"
    assert best["composite_uf1"] == "86.03"


def test_table_1_puts_published_rows_first_and_marks_both_kinds():
    table = build("1", metrics("m6"), metrics("m1"))
    assert list(table.rows["Numbers"]) == ["published"] * 12 + ["measured"] * 2
    assert table.published == 12
    assert list(table.rows["Method"][-2:]) == ["M1", "M6 (ours)"]  # the order of the config
    assert table.rows.iloc[-1]["Composite UF1"] == "50.00"
    assert table.rows.iloc[-1]["Composite UAR"] == "25.00"
    assert table.rows.iloc[-1]["SMIC-HS UF1"] == "–"
    assert table.title == "Table 1. Comparison under the CDE setting, UF1 and UAR in %"


def test_table_2_gives_a_row_per_number_of_classes():
    table = build("2", *(metrics("m6", f"casme3_{classes}") for classes in (7, 3, 4)))
    measured = table.rows[table.rows["Numbers"] == "measured"]
    assert list(measured["Classes"]) == ["3", "4", "7"]
    assert list(measured["UF1"]) == ["50.00"] * 3
    assert list(table.rows["Classes"][:17]) == ["3"] * 7 + ["4"] * 5 + ["7"] * 5


def test_table_3_shows_the_marks_and_the_midpoint_note():
    table = build("3", metrics("m1"), metrics("m6"))
    marks = table.rows[["Method", "MIR", "IRC", "MRD"]].to_numpy().tolist()
    assert marks[0] == ["M1", "→Apex*", "×", "×"] == marks[10]
    assert marks[5] == ["M6 (ours)", "✓", "✓", "✓"] == marks[11]
    assert "SMIC-HS has no apex annotation" in table.notes[0]
    assert "midpoint" in table.notes[0]
    assert "→X" in table.notes[1]
    assert "midpoint" not in "".join(build("3", metrics("m6", source="public_flow")).notes)


@pytest.mark.parametrize("number", ["1", "2", "3"])
def test_synthetic_tables_hold_no_published_number(tmp_path, number):
    protocol = "casme3_7" if number == "2" else "cde"
    files.write_json(tmp_path / "m6.json", metrics("m6", protocol, source="twins"))
    tables.write_table(number, [tmp_path / "m6.json"], PUBLISHED, tmp_path / "table", METHODS)
    for suffix in ("csv", "md", "tex"):
        text = (tmp_path / f"table.{suffix}").read_text()
        assert "SYNTHETIC TWINS: not comparable with any published number" in text
        for number_in_paper in ("88.05", "86.03", "44.32", "HTNet"):
            assert number_in_paper not in text
    assert set(read_csv(tmp_path / "table.csv")["Numbers"]) == {"measured"}


def test_the_title_tells_selection_on_the_held_out_subject_and_public_flow():
    leaky = build("1", metrics("m1"), metrics("m6", selection="best_on_held_out"))
    assert leaky.title.endswith("; best epoch chosen on the held-out subject: optimistic")
    public = build("1", metrics("m6", source="public_flow"))
    assert public.title.endswith("; published flow maps")
    assert public.published == 12


def test_several_seeds_print_mean_and_deviation():
    table = build("1", metrics("m6", std=0.0123, seeds=(0, 1, 2)))
    assert table.rows.iloc[-1]["CASME II UAR"] == "25.00 ± 1.23"
    assert table.notes == ("±: sample standard deviation over 3 seeds",)


def read_csv(path):
    return pd.read_csv(path, skiprows=1, dtype=str)


def write_all(folder):
    """All three tables of one real-data run, with several seeds."""
    for number in ("1", "2", "3"):
        protocols = ["casme3_3", "casme3_7"] if number == "2" else ["cde"]
        paths = [folder / f"{number}-{protocol}.json" for protocol in protocols]
        for path, protocol in zip(paths, protocols, strict=True):
            files.write_json(path, metrics("m6", protocol, std=0.01, seeds=(0, 1)))
        tables.write_table(number, paths, PUBLISHED, folder / f"table{number}", METHODS)


def test_the_three_formats_hold_the_same_cells(tmp_path):
    write_all(tmp_path)
    rows = read_csv(tmp_path / "table3.csv")
    assert (tmp_path / "table3.csv").read_text().startswith("# Table 3. Ablation")
    lines = (tmp_path / "table3.md").read_text().splitlines()
    markdown = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|" in line]
    assert markdown[0] == list(rows.columns)
    unescaped = [[cell.replace("\\*", "*") for cell in line] for line in markdown[2:]]
    assert unescaped == rows.to_numpy().tolist()
    tex = (tmp_path / "table3.tex").read_text().splitlines()
    body = [line.removesuffix(r" \\").split(" & ") for line in tex if line.startswith("M")][1:]
    expected = [[tables.latex(cell) for cell in row] for row in rows.to_numpy().tolist()]
    assert body == expected


def test_latex_separates_published_from_measured_rows(tmp_path):
    write_all(tmp_path)
    tex = (tmp_path / "table1.tex").read_text()
    lines = tex.splitlines()
    assert lines[lines.index(r"\midrule", lines.index(r"\midrule") + 1) + 1].startswith("M6 (ours)")
    assert r"\label{tab:table1}" in tex
    assert r"\multicolumn{2}{c}{CASME II}" in tex
    assert r"UAR in \%" in tex
    assert r"$\pm$" in tex
    assert r"\multicolumn" not in (tmp_path / "table2.tex").read_text()


def test_latex_holds_plain_characters_only(tmp_path):
    write_all(tmp_path)
    assert all((tmp_path / f"table{number}.tex").read_text().isascii() for number in (1, 2, 3))


def test_latex_escapes_every_special_character_once():
    assert tables.latex("50 % & a_b ² ± \\") == r"50 \% \& a\_b $^2$ $\pm$ \textbackslash{}"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(tmp_path):
    write_all(tmp_path)
    inputs = "".join(f"\\input{{table{number}}}" for number in (1, 2, 3))
    preamble = "\\documentclass{article}\\usepackage{booktabs,amssymb,graphicx}"
    (tmp_path / "all.tex").write_text(f"{preamble}\\begin{{document}}{inputs}\\end{{document}}")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-800:]


@pytest.mark.parametrize(
    ("number", "contents", "message"),
    [
        ("4", [metrics()], "table 4: no such table"),
        ("1", [], "table 1: no metrics given"),
        ("1", [metrics("m6", "casme3_3")], "table 1: m6 has protocol casme3_3; it takes cde"),
        ("2", [metrics()], "table 2: m6 has protocol cde"),
        ("1", [metrics("m11")], "method m11 has no title; set methods.m11.title"),
        ("1", [metrics("m1"), metrics("m6", source="twins")], "rows from datasets and twins in one table"),
    ],
)
def test_what_no_table_can_hold_is_refused(number, contents, message):
    with pytest.raises(InputError, match=message):
        build(number, *contents)


def test_faulty_files_are_refused_by_name(tmp_path):
    files.write_json(tmp_path / "m6.json", {"method": "m6"})
    with pytest.raises(InputError, match=r"m6\.json: key protocol is missing"):
        tables.read_metrics(tmp_path / "m6.json")
    text = PUBLISHED.read_text()
    (tmp_path / "typo.csv").write_text(text.replace("86.03", "86,O3".replace(",", ".")))
    with pytest.raises(InputError, match=r"typo\.csv: table 1, HTNet, composite_uf1: '86\.O3'"):
        tables.read_published(tmp_path / "typo.csv")
    (tmp_path / "short.csv").write_text(text.replace("smic_uar,", "", 1))
    with pytest.raises(InputError, match=r"short\.csv: (column smic_uar is missing|cannot be read)"):
        tables.read_published(tmp_path / "short.csv")
    with pytest.raises(InputError, match=r"none\.csv: cannot be read"):
        tables.read_published(tmp_path / "none.csv")


def test_columns_are_read_with_one_line_skipped(tmp_path):
    write_all(tmp_path)
    text = (tmp_path / "table2.csv").read_text().split("\n", 1)[1]
    header = "Method,Source,Numbers,Classes,UF1,UAR"
    assert list(pd.read_csv(StringIO(text)).columns) == header.split(",")
