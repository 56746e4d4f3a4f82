"""The report's pages: of tables, of a method under a protocol, of the run."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml
from metrics_content import matrix, metrics, people, percents
from page_tables import tables_of
from seaborn.utils import relative_luminance

from ra_icl import files
from ra_icl.errors import InputError
from ra_icl.evaluation import pages
from ra_icl.evaluation.duration import duration
from ra_icl.evaluation.method_page import flat, setting, write_method_page
from ra_icl.evaluation.run_page import write_run_page


def tables(path):
    """The tables of a page."""
    return [pd.DataFrame(rows, columns=header) for header, *rows in tables_of(path.read_text(encoding="utf-8"))]


def test_a_table_escapes_what_it_is_given_and_marks_only_the_value():
    frame = pd.DataFrame({"<Method>": ["a & b", "1_2"], "UF1": ["61.25 ± 0.11 [52.1, 70.3]", "–"]})
    strong = pd.DataFrame({"<Method>": ["", ""], "UF1": ["textbf", ""]})
    text = pages.rows(frame, strong)
    assert "<th>&lt;Method&gt;</th>" in text
    assert "<td>a &amp; b</td>" in text
    assert "<strong>61.25</strong><small> ± 0.11 [52.1, 70.3]</small>" in text
    assert text.count('class="number"') == 3  # the title and the cells of UF1


@pytest.mark.parametrize("text", ["61.25", "−4.5 [−9.1, 0.3]", "6 (cpu (x86_64))", "81.2 k / 113.6 k", "12 of 14", "–"])
def test_numbers_are_told_from_names(text):
    assert pages.NUMBER.fullmatch(text)
    assert not pages.NUMBER.fullmatch("M6")
    assert not pages.NUMBER.fullmatch("006_1_2")


def test_a_page_has_its_caveats_apart_from_its_title(tmp_path):
    pages.write_page(tmp_path / "p.html", "A <b>; alone", ["<p>body</p>"], ["SYNTHETIC", "of <five>"])
    text = (tmp_path / "p.html").read_text()
    assert "<h1>A &lt;b&gt;; alone</h1>" in text
    assert re.findall(r'class="caveat">(.*?)</p>', text) == ["SYNTHETIC", "of &lt;five&gt;"]
    assert not {"http:", "https:", "src=", "<link"} & set(text.split())  # nothing from elsewhere
    assert "http" not in text


def test_a_cell_of_a_confusion_matrix_has_percent_of_the_row_and_count():
    text = pages.confusion([[3, 1], [0, 0]], ["no", "y<s"])
    header, *rows = tables_of(text)[0]
    assert header[1:] == ["no", "y<s"]
    assert rows == [["no", "75.0 % (3)", "25.0 % (1)"], ["y<s", "0.0 % (0)", "0.0 % (0)"]]


@pytest.mark.parametrize("percent", range(0, 101, 5))
def test_text_of_a_confusion_matrix_is_read_on_its_cell(percent):
    text = pages.confusion([[percent, 100 - percent], [0, 1]], ["no", "yes"])
    *blue, share, colour = re.search(r"rgba\((\d+), (\d+), (\d+), ([\d.]+)\); color: (\w+)", text).groups()
    cell = 1 - float(share) * (1 - np.array(blue, float) / 255)  # the blue over white
    luminance = relative_luminance(tuple(cell))
    contrast = (luminance + 0.05) / 0.05 if colour == "black" else 1.05 / (luminance + 0.05)
    assert contrast >= 4.5


@pytest.fixture
def m6(tmp_path):
    content = metrics("m6", source="twins", subjects=people(0.7))
    content |= {"folds": 15, "seconds": 7000.0, "memory": 3 * 2**30, "device": ["cpu"], "commit": ["0123456789" * 4]}
    files.write_json(tmp_path / "m6.json", content)
    return content


def test_the_page_of_a_method_has_every_datasets_scores_and_matrix(m6, tmp_path):
    write_method_page(tmp_path / "m6.json", tmp_path / "m6.html", "M6 & all", {"title": "x", "loss": {"regions": 0}})
    scores, *matrices, persons = tables(tmp_path / "m6.html")
    names = ["Together", "CASME II", "SAMM", "SMIC-HS"]
    assert scores["Dataset"].tolist() == names
    for number, row in enumerate(scores.itertuples()):
        found = (row.UF1.split(" [")[0], row.UAR.split(" [")[0], row.Sequences)
        assert found == (*(f"{value:.2f}" for value in percents("m6", number)), str(100 * (number + 1)))
    assert all("[" in cell for cell in scores.loc[0, ["UF1", "UAR"]])
    counts = [shown.iloc[:, 1:].map(lambda cell: int(cell.split("(")[1][:-1])).to_numpy() for shown in matrices]
    wanted = [m6["confusion"]["composite"], *(matrix(3, subset) for subset in (1, 2, 3))]
    np.testing.assert_array_equal(counts, wanted)
    sums = persons["Recognised"].str.extract("([0-9]+) of ([0-9]+)").astype(int).sum().tolist()
    assert sums == [int(np.trace(wanted[0])), int(np.sum(wanted[0]))]
    text = (tmp_path / "m6.html").read_text()
    for words in ("M6 &amp; all: CASME II, SAMM, SMIC-HS (CDE)", "SYNTHETIC TWINS", "15 folds, seed 0", "1.9 h on cpu"):
        assert words in text
    assert "<li>loss.regions: 0.</li>" in text
    assert "title: x" not in text


def test_a_page_of_several_seeds_counts_predictions(tmp_path):
    content = metrics("m6", seeds=(0, 1), subjects=people(0.6, seeds=2))
    files.write_json(tmp_path / "m6.json", content)
    write_method_page(tmp_path / "m6.json", tmp_path / "m6.html", "M6", {})
    assert "the number of predictions, one per sequence and seed (2 seeds)" in (tmp_path / "m6.html").read_text()
    persons = tables(tmp_path / "m6.html")[-1]
    assert persons["Sequences"].astype(int).sum() * 2 == np.sum(content["confusion"]["composite"])
    sums = persons["Recognised, 2 seeds together"].str.extract("([0-9]+) of ([0-9]+)").astype(int).sum().tolist()
    assert sums == [int(np.trace(content["confusion"]["composite"])), int(np.sum(content["confusion"]["composite"]))]


def test_an_ensembles_page_names_its_members(m6, tmp_path):
    content = files.read_json(tmp_path / "m6.json") | {"members": {"m6": [0, 1, 2], "m3": [0]}, "view": "middle"}
    files.write_json(tmp_path / "all.json", content)
    write_method_page(tmp_path / "all.json", tmp_path / "all.html", "All", {})
    assert "15 folds, the mean of m6 (seeds 0, 1, 2) and m3 (seed 0); trained in" in (tmp_path / "all.html").read_text()


def test_metrics_of_an_older_version_have_a_page_too(tmp_path):
    files.write_json(tmp_path / "m1.json", metrics("m1", "casme3_4"))
    write_method_page(tmp_path / "m1.json", tmp_path / "m1.html", "M1", {})
    scores, shown = tables(tmp_path / "m1.html")
    assert scores["Dataset"].tolist() == ["CAS(ME)³"]
    assert shown.shape == (4, 5)
    assert "M1: CAS(ME)³, 4 classes" in (tmp_path / "m1.html").read_text()


def test_the_page_of_the_run_says_what_was_run_how_long_and_with_which_config(m6, tmp_path):
    older = metrics("m2", source="twins") | {"folds": 3, "seconds": 60.0, "device": ["NVIDIA"], "commit": ["unknown"]}
    other = metrics("m6", "casme3_7", source="twins")
    mean = older | {"method": "mean", "members": {"m2": [0, 1]}, "view": "middle"}  # an ensemble: no training to count
    for name, content in (("m2", older), ("7", other), ("mean", mean)):
        files.write_json(tmp_path / f"{name}.json", content)
    for subject, seconds in (("a", 30), ("b", 90)):
        path = tmp_path / "benchmarks/crops/samm" / f"{subject}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\tmax_rss\n{seconds}\t{seconds * 10.24}\n")
    (tmp_path / "benchmarks/flow/middle-4/samm").mkdir(parents=True)
    (tmp_path / "benchmarks/flow/middle-4/samm/a.tsv").write_text("s\tmax_rss\n1\tNA\n")
    paths = [tmp_path / f"{name}.json" for name in ("m6", "m2", "7", "mean")]
    config = {"seeds": [0], "base": {"training": {"epochs": 3}}, "protocols": ["cde"]}
    defaults = {"seeds": [0], "base": {"training": {"epochs": 100}}}
    write_run_page(paths, tmp_path / "run.html", config, defaults, {"m2": "M2 <x>"}, tmp_path / "benchmarks")
    settings, training, steps, changes = tables(tmp_path / "run.html")
    assert settings["Setting"].tolist() == ["CASME II, SAMM, SMIC-HS (CDE)", "CAS(ME)³, 7 classes"]
    assert settings["Methods"].tolist() == ["m6, M2 <x>, mean", "m6"]
    assert settings["Seed numbers"].tolist() == ["0, 1", "0"]
    assert settings["People"].tolist() == ["15", "–"]
    assert training[["Training", "Folds", "Together"]].to_numpy().tolist() == [
        *(["m6", "15", "1.9 h"], ["M2 <x>", "3", "60 s"], ["m6", "–", "–"])
    ]
    assert training["Most memory"].tolist() == ["3.00 GiB", "–", "–"]
    assert steps.to_numpy().tolist() == [
        ["Crops: SAMM", "2", "2 min", "60 s", "0.90 GiB"],
        ["Flow of sampling: middle-4", "1", "1 s", "1 s", "–"],
    ]
    assert changes.to_numpy().tolist() == [["base.training.epochs", "3", "100"], ["protocols", "[cde]", "–"]]
    text = (tmp_path / "run.html").read_text()
    assert "SYNTHETIC TWINS" in text
    assert yaml.safe_load(text.split("<pre>")[1].split("</pre>")[0]) == config
    for words in ("Devices: NVIDIA, cpu", "0123456789" * 4, "Training: 18 folds, 2.0 h together", "snakemake 9"):
        assert words in text
    assert "inner folds" not in text
    files.write_json(paths[1], files.read_json(paths[1]) | {"selection_of": {"method": "m2"}})
    write_run_page(paths, tmp_path / "run.html", config, defaults, {"m2": "M2 <x>"}, tmp_path / "benchmarks")
    assert "2.0 h together; the inner folds that chose options are neither" in (tmp_path / "run.html").read_text()


def test_a_run_without_metrics_is_refused(tmp_path):
    with pytest.raises(InputError, match="no metrics given"):
        write_run_page([], tmp_path / "run.html", {}, {}, {}, tmp_path)


def test_protocols_and_seconds_in_words():
    assert setting("groups5", ["samm", "smic", "composite"]) == "SAMM, SMIC-HS (five folds by subject)"
    assert setting("cross_samm", ["casme2", "samm", "smic"]) == "CASME II, SMIC-HS (trained on SAMM)"
    assert setting("own", ["own"]) == "Own data"
    assert [duration(seconds) for seconds in (0, 89, 91, 5399, 5401)] == ["0 s", "89 s", "2 min", "90 min", "1.5 h"]
    assert list(flat({"a": {"b": 1, "c": {}}, "d": [2]})) == [("a.b", 1), ("a.c", {}), ("d", [2])]
