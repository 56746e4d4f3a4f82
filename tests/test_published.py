"""Every score that the README or docs/ print is that of a metrics JSON under results/published/.

A table of scores is one with a column "composite". The first cell of its rows links to the metrics JSON, as in
`| [M1, HTNet's maps](results/published/public-flow/m1_htnet.json) | 66.34 ± 0.51 / 69.24 ± 0.62 | ...`: UF1 / UAR in %.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ra_icl import files
from ra_icl.attention import table as attention_table
from ra_icl.datasets.index import TITLES
from ra_icl.evaluation import leak, tables
from ra_icl.evaluation.intervals import Subjects, compare, score_intervals, subjects_of
from ra_icl.evaluation.metrics import SCORES
from ra_icl.evaluation.records import read_metrics

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "results" / "published"
SUBSETS = {"composite": "composite"} | {title.lower(): name for name, title in TITLES.items()}
LINK = re.compile(r"\]\((?:\.\./)*(results/published/[^)]+\.json)\)")
SCORE = r"(\d+\.\d+)(?: ± (\d+\.\d+))?"


def rows_of_scores(text):
    """(titles, cells) of every row of the Markdown tables that have a column "composite"."""
    titles = None
    for line in text.splitlines():
        cells = [cell.strip().replace("*", "") for cell in line.strip().strip("|").split("|")]
        if not line.strip().startswith("|"):
            titles = None
        elif titles is None:
            titles = [cell.lower() for cell in cells]
        elif "composite" in titles and not set(line) <= set("|-: "):
            yield titles, cells


def faults_of(text, root):
    """What is wrong with the scores that a text prints, in words; [] for nothing."""
    return [fault for titles, cells in rows_of_scores(text) for fault in faults_of_row(titles, cells, root)]


def faults_of_row(titles, cells, root):
    printed = {SUBSETS[title]: cell for title, cell in zip(titles, cells, strict=True) if title in SUBSETS}
    printed = {name: cell for name, cell in printed.items() if re.search("[0-9]", cell)}
    link = LINK.search(cells[0])
    if not link:
        return [f"{cells[0]}: has scores, but no link to its metrics"] if printed else []
    if not (root / link[1]).is_file():
        return [f"{cells[0]}: {link[1]} does not exist"]
    scores = read_metrics(root / link[1])["scores"]
    return [
        f"{cells[0]}: {name}: prints {cell}, but {link[1]} has {as_printed(cell, scores.get(name))}"
        for name, cell in printed.items()
        if cell != as_printed(cell, scores.get(name))
    ]


def as_printed(cell, scores):
    """A subset's scores as "UF1 / UAR" in % with as many decimals as the cell, with deviations if there are several."""
    if scores is None:
        return "nothing"
    decimals = max((len(number.split(".")[1]) for number in re.findall(r"\d+\.\d+", cell)), default=2)
    texts = []
    for score in (scores["uf1"], scores["uar"]):
        numbers = [score["mean"]] if score["std"] is None else [score["mean"], score["std"]]
        texts.append(" ± ".join(f"{100 * number:.{decimals}f}" for number in numbers))
    return " / ".join(texts)


HEADER = "| method | composite | SMIC-HS | CPU time |\n|---|---|---|---|\n"


@pytest.fixture
def sample(tmp_path):
    """A folder with the metrics of one seed and of three."""
    for name, std in (("one", None), ("three", 0.0125)):
        means = {"composite": (0.61234, 0.71), "smic": (0.5, 0.40006)}
        scores = {
            subset: {"uf1": {"mean": uf1, "std": std}, "uar": {"mean": uar, "std": std and std / 2}}
            for subset, (uf1, uar) in means.items()
        }
        content = {"method": "m1", "protocol": "cde", "classes": [], "seeds": [0], "confusion": {}}
        content |= {"data_source": "public_flow", "selection": "last", "data": {}, "scores": scores}
        files.write_json(tmp_path / f"results/published/{name}.json", content)
    return tmp_path


def row(name, *cells):
    return HEADER + f"| [M1](results/published/{name}.json) | " + " | ".join(cells) + " |\n"


@pytest.mark.parametrize(
    "text",
    [
        row("one", "61.23 / 71.00", "**50.00** / 40.01", "13 s"),
        row("one", "61.2 / 71.0", "", "13 s"),
        row("three", "61.23 ± 1.25 / 71.00 ± 0.62", "50.00 ± 1.25 / 40.01 ± 0.62", "9 min"),
        "| method | seconds |\n|---|---|\n| M1 | 66.34 / 69.24 |\n",  # not a table of scores
        HEADER + "| M9 | not measured | – | |\n",
    ],
)
def test_scores_that_are_those_of_the_metrics_pass(sample, text):
    assert faults_of(text, sample) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            row("one", "61.24 / 71.00", "", ""),
            "composite: prints 61.24 / 71.00, but results/published/one.json has 61.23 /",
        ),
        (row("one", "71.00 / 61.23", "", ""), "composite: prints"),  # UAR before UF1
        (row("one", "61.23 / 71.00", "61.23 / 71.00", ""), "smic: prints"),
        (row("three", "61.23 / 71.00", "", ""), "has 61.23 ± 1.25 / 71.00 ± 0.62"),  # no deviations
        (row("three", "61.23 ± 1.26 / 71.00 ± 0.62", "", ""), "composite: prints"),
        (row("one", "61.23", "", ""), "composite: prints 61.23, but"),  # no UAR
        (
            row("one", "61.23 / 71.00", "", "").replace("SMIC-HS", "SAMM").replace("|  |", "| 1.00 / 2.00 |", 1),
            "has nothing",
        ),
        (row("two", "61.23 / 71.00", "", ""), "results/published/two.json does not exist"),
        (HEADER + "| M1, HTNet's maps | 66.34 / 69.24 | | 13 s |\n", "M1, HTNet's maps: has scores, but no link"),
        (HEADER + "| M1 | | 66.34 / 69.24 | 13 s |\n", "has scores, but no link"),
    ],
)
def test_any_other_score_is_found(sample, text, fault):
    (found,) = faults_of(text, sample)
    assert fault in found


def documents():
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_readme_prints_the_published_scores():
    assert list(rows_of_scores((ROOT / "README.md").read_text())), "README.md: no table with a column composite"
    assert [fault for path in documents() for fault in faults_of(path.read_text(), ROOT)] == []


def take(content, seeds):
    """The subjects of a metrics content, with these seeds alone; what draws nothing is the same in all."""
    found = subjects_of(content)
    if content.get("draws", True) is False:
        return Subjects(found.names, np.repeat(found.matrices[:, :1], len(seeds), axis=1))
    return Subjects(found.names, found.matrices[:, [content["seeds"].index(seed) for seed in seeds]])


def test_intervals_and_differences_beside_the_scores_are_recomputed():
    m6 = read_metrics(PUBLISHED / "public-flow/m6_causalnet.json")
    checked = set()
    for path in documents():
        for titles, cells in rows_of_scores(path.read_text()):
            found = dict(zip(titles, cells, strict=True))
            if "m6 minus it, uf1" not in found:
                continue
            link = LINK.search(found["method"])[1]
            content = read_metrics(ROOT / link)
            checked.add(link)
            if "interval, uf1" in found:
                low, high = score_intervals(subjects_of(content))["uf1"]
                assert found["interval, uf1"] == f"{100 * low:.1f} to {100 * high:.1f}", (path, link)
            if found["m6 minus it, uf1"]:
                assert found["m6 minus it, uf1"] == printed_difference(m6, content), (path, link)
    assert len(checked) > 20


def printed_difference(reference, content):
    """UF1 of the reference minus that of the content, on the seeds of both, as the docs print it."""
    seeds = reference["seeds"] if content.get("draws", True) is False else content["seeds"]
    one = compare(take(reference, seeds), take(content, seeds))["uf1"]
    return f"{100 * one.value:+.2f} [{100 * one.low:.1f}, {100 * one.high:.1f}]".replace("-", "−")


def test_published_metrics_are_printed_somewhere():
    linked = {link for path in documents() for link in LINK.findall(path.read_text())}
    assert {str(path.relative_to(ROOT)) for path in PUBLISHED.rglob("*.json")} <= linked


def test_published_scores_follow_from_their_own_seeds_and_confusion_matrices():
    for path in PUBLISHED.rglob("*.json"):
        content = read_metrics(path)
        for subset, scores in content["scores"].items():
            matrix = np.array(content["confusion"][subset])
            assert matrix.sum() == scores["samples"] * len(content["seeds"]), path
            for name, score in SCORES.items():
                values = scores[name]["per_seed"]
                assert scores[name]["mean"] == pytest.approx(np.mean(values)), path
                if len(values) > 1:
                    assert scores[name]["std"] == pytest.approx(np.std(values, ddof=1)), path
                else:
                    assert values[0] == pytest.approx(score(matrix)), path


def of_attention(data):
    return attention_table._printed(data).drop(columns="Data")


TABLES_OF_CSV = {
    "public-flow/leak": ("leak", leak._printed),
    "public-flow/cross": ("leak", lambda data: tables._printed("cross", data).drop(columns="Data")),
    "public-flow/attention": ("attention", of_attention),
}


@pytest.mark.parametrize("name", TABLES_OF_CSV)
def test_a_table_of_the_docs_is_that_of_its_csv(name):
    page, printed = TABLES_OF_CSV[name]
    text = (ROOT / f"docs/{page}.md").read_text()
    cells = printed(pd.read_csv(PUBLISHED / f"{name}.csv"))
    for row in cells.itertuples(index=False):
        assert f"| {' | '.join(row)} |".replace("|  |", "| |") in text, row


def test_published_results_stay_small_and_say_how_they_were_made():
    assert sum(path.stat().st_size for path in PUBLISHED.rglob("*") if path.is_file()) < 2_000_000
    assert "snakemake" in (PUBLISHED / "README.md").read_text()
