"""The figures' cells, panels and titles, and that the same metrics give the same bytes."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from metrics_content import matrix, metrics
from seaborn.utils import relative_luminance

from ra_icl import files
from ra_icl.errors import InputError
from ra_icl.evaluation import figures


def write_metrics(path, protocol="cde", *, method="m6", **more):
    """A metrics JSON in which every subset has its own matrix and scores."""
    files.write_json(path, metrics(method, protocol, **more))
    return path


@pytest.fixture
def drawn(monkeypatch):
    """The arguments of every confusion_figure call, instead of a drawing."""
    calls = []
    monkeypatch.setattr(figures, "confusion_figure", lambda *arguments: calls.append(arguments))
    return calls


def test_row_percent_is_recall_on_the_diagonal():
    share = figures.row_percent([[3, 1], [0, 0]])
    assert share.tolist() == [[75.0, 25.0], [0.0, 0.0]]


def test_cells_show_percent_and_count_and_mark_a_class_without_samples():
    counts = np.array([[2, 1], [0, 0]])
    texts = figures._cell_texts(figures.row_percent(counts), counts)
    assert texts.tolist() == [["66.7\n(2)", "33.3\n(1)"], ["–", "–"]]


def test_figure4_draws_the_composite_and_each_dataset_with_its_own_counts(tmp_path, drawn):
    figures.figure4(write_metrics(tmp_path / "m.json", seeds=(0, 1)), tmp_path / "figure4")
    panels, _, suptitle, data = drawn[0]
    assert data == "Data: CASME II, SAMM and SMIC-HS, 100 sequences, 2 seeds"
    # 10 + 11 + ... + 18 = 126 counts of the composite, over two seeds; 90 more on each further subset
    assert [title for title, _, _ in panels] == [
        *("Composite\n63 sequences × 2 seeds", "CASME II\n108 sequences × 2 seeds"),
        *("SAMM\n153 sequences × 2 seeds", "SMIC-HS\n198 sequences × 2 seeds"),
    ]
    assert [counts for _, counts, _ in panels] == [matrix(3, subset) for subset in range(4)]
    assert [names for _, _, names in panels] == [["negative", "positive", "surprise"]] * 4
    assert suptitle == "M6, CDE: % of the true class (count)"


def test_figure4_leaves_out_a_dataset_that_was_not_run_and_says_so(tmp_path, drawn):
    figures.figure4(write_metrics(tmp_path / "m.json", datasets=("samm",)), tmp_path / "figure4")
    panels, _, suptitle, data = drawn[0]
    assert data == "Data: SAMM, 100 sequences"
    assert [title for title, _, _ in panels] == ["Composite\n126 sequences", "SAMM\n216 sequences"]
    assert [counts for _, counts, _ in panels] == [matrix(3, 0), matrix(3, 1)]
    assert suptitle.endswith("\nCDE without CASME II and SMIC-HS")


def test_figure4_says_that_groups_are_not_loso(tmp_path, drawn):
    path = write_metrics(tmp_path / "m.json", "groups5")
    figures.figure4(path, tmp_path / "figure4")
    assert drawn[0][2] == "M6, CDE: % of the true class (count)\nfive folds by subject, not LOSO"


def test_figure11_orders_its_panels_by_the_number_of_classes(tmp_path, drawn):
    paths = [write_metrics(tmp_path / f"{number}.json", f"casme3_{number}") for number in (7, 3, 4)]
    figures.figure11(paths, tmp_path / "figure11", "M6 (ours)")
    panels, _, suptitle, _ = drawn[0]
    assert [counts for _, counts, _ in panels] == [matrix(number, 0) for number in (3, 4, 7)]
    assert [names[-1] for _, _, names in panels] == ["surprise", "others", "others"]
    assert suptitle.startswith("M6 (ours), CAS(ME)³")


def test_panels_stand_in_rows_that_fit_a_page():
    def numbers(*sides):
        return [
            [len(classes) for _, _, classes in line] for line in figures.rows_of([("", [], "x" * n) for n in sides])
        ]

    assert numbers(3) == [[3]]
    assert numbers(3, 3) == [[3, 3]]
    assert numbers(3, 3, 3, 3) == [[3, 3], [3, 3]]
    assert numbers(3, 4, 7) == [[3, 4], [7]]


def test_own_data_are_one_panel(tmp_path, drawn):
    figures.figure_own(write_metrics(tmp_path / "m.json", "own"), tmp_path / "figure_own")
    panels, _, suptitle, _ = drawn[0]
    assert panels == [("Own data\n46 sequences", matrix(2, 0), ["one", "two"])]
    assert suptitle.startswith("M6, Own data")


def test_suptitle_tells_synthetic_data_and_selection_once(tmp_path, drawn):
    leaky = {"source": "twins", "selection": "best_on_held_out"}
    paths = [write_metrics(tmp_path / f"{n}.json", f"casme3_{n}", **leaky) for n in (3, 4)]
    figures.figure11(paths, tmp_path / "figure11")
    suptitle = drawn[0][2]
    assert suptitle.count("SYNTHETIC TWINS: not comparable with any published number") == 1
    assert suptitle.count("best epoch chosen on the held-out subject: optimistic") == 1


def test_the_same_metrics_give_the_same_bytes(tmp_path):
    path = write_metrics(tmp_path / "m.json", source="twins")
    for name in ("first", "second"):
        figures.figure4(path, tmp_path / name)
    for suffix in ("pdf", "png"):
        first, second = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in ("first", "second"))
        assert first == second
    assert (tmp_path / "first.pdf").read_bytes().startswith(b"%PDF")
    assert b"CreationDate" not in (tmp_path / "first.pdf").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_a_panel_is_coloured_by_recall_and_names_its_classes():
    axis = Figure().subplots()
    figures._draw(axis, "SAMM", [[3, 1], [2, 8]], ["x", "y"])
    mesh = axis.collections[0]
    assert np.asarray(mesh.get_array()).ravel().tolist() == [75.0, 25.0, 20.0, 80.0]
    assert mesh.get_clim() == (0, 100)
    found = {text.get_position(): text.get_text() for text in axis.texts}  # column, row
    assert found == {
        **{(0.5, 0.5): "75.0\n(3)", (1.5, 0.5): "25.0\n(1)", (0.5, 1.5): "20.0\n(2)", (1.5, 1.5): "80.0\n(8)"}
    }
    assert (axis.get_ylim()[0] > axis.get_ylim()[1], axis.get_xlabel()) == (True, "predicted class")
    for labels in (axis.get_xticklabels(), axis.get_yticklabels()):
        assert [label.get_text() for label in labels] == ["x", "y"]


def test_cells_are_read_on_every_colour():
    """By the contrast of WCAG 2, whose least for text is 4.5."""
    axis = Figure().subplots()
    figures._draw(axis, "", [[share, 1000 - share] for share in range(0, 1001, 5)], ["x", "y"])
    for text, cell in zip(axis.texts, axis.collections[0].get_facecolors(), strict=True):
        low, high = sorted(relative_luminance(colour) for colour in (text.get_color(), cell))
        assert (high + 0.05) / (low + 0.05) >= 4.5


def test_metrics_of_another_protocol_and_no_metrics_are_refused(tmp_path):
    cde = write_metrics(tmp_path / "cde.json")
    casme3 = write_metrics(tmp_path / "3.json", "casme3_3")
    with pytest.raises(InputError, match=r"3\.json: protocol is casme3_3; give cde"):
        figures.figure4(casme3, tmp_path / "figure")
    with pytest.raises(InputError, match=r"cde\.json: protocol is cde; give casme3_3 or"):
        figures.figure11([cde], tmp_path / "figure")
    with pytest.raises(InputError, match="no metrics given"):
        figures.figure11([], tmp_path / "figure")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3.json", "cde.json"]


def test_importing_figures_loads_no_matplotlib():
    code = "import sys, ra_icl.evaluation.figures; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"matplotlib", "seaborn", "torch", "cv2"} & set(modules.stdout.split())
