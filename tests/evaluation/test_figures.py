"""The figures' cells, panels and titles, and that the same metrics give the same bytes."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from ra_icl import files
from ra_icl.errors import InputError
from ra_icl.evaluation import figures

THREE = ["negative", "positive", "surprise"]


def write_metrics(path, protocol="cde", classes=THREE, *, source="datasets", seeds=(0,), **more):
    """A metrics JSON with one distinct matrix per subset."""
    matrix = np.arange(len(classes) ** 2).reshape(len(classes), -1).tolist()
    subsets = ("composite", "casme2", "samm", "smic") if protocol == "cde" else ("composite", "casme3")
    content = {"method": "m6", "protocol": protocol, "classes": classes, "seeds": list(seeds)}
    content |= {"scores": {}, "confusion": dict.fromkeys(subsets, matrix)}
    files.write_json(path, content | {"data_source": source, "selection": "last"} | more)
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


def test_figure4_draws_the_composite_and_each_dataset(tmp_path, drawn):
    figures.figure4(write_metrics(tmp_path / "m.json", seeds=(0, 1)), tmp_path / "figure4")
    panels, _, suptitle = drawn[0]
    titles = [title.split("\n")[0] for title, _, _ in panels]
    assert titles == ["Composite", "CASME II", "SAMM", "SMIC-HS"]
    assert panels[0][0] == "Composite\n18 sequences × 2 seeds"  # 0 + 1 + ... + 8 = 36 counts
    assert suptitle.startswith("M6, CDE")
    assert "SYNTHETIC" not in suptitle


def test_figure4_leaves_out_a_dataset_that_was_not_run(tmp_path, drawn):
    confusion = {name: np.eye(3, dtype=int).tolist() for name in ("composite", "samm")}
    figures.figure4(write_metrics(tmp_path / "m.json", confusion=confusion), tmp_path / "figure4")
    titles = [title for title, _, _ in drawn[0][0]]
    assert titles == ["Composite\n3 sequences", "SAMM\n3 sequences"]


def test_figure11_orders_its_panels_by_the_number_of_classes(tmp_path, drawn):
    four, seven = [*THREE, "others"], [f"c{index}" for index in range(7)]
    paths = [
        write_metrics(tmp_path / "7.json", "casme3_7", seven),
        write_metrics(tmp_path / "3.json", "casme3_3"),
        write_metrics(tmp_path / "4.json", "casme3_4", four),
    ]
    figures.figure11(paths, tmp_path / "figure11")
    panels, _, suptitle = drawn[0]
    assert [len(classes) for _, _, classes in panels] == [3, 4, 7]
    assert [len(matrix) for _, matrix, _ in panels] == [3, 4, 7]
    assert suptitle.startswith("M6, CAS(ME)³")


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
    figures._draw(axis, "SAMM", [[3, 1], [5, 0]], ["x", "y"])
    mesh = axis.collections[0]
    assert np.asarray(mesh.get_array()).ravel().tolist() == [75.0, 25.0, 100.0, 0.0]
    assert mesh.get_clim() == (0, 100)
    assert [text.get_text() for text in axis.texts] == ["75.0\n(3)", "25.0\n(1)", "100.0\n(5)", "0.0\n(0)"]
    for labels in (axis.get_xticklabels(), axis.get_yticklabels()):
        assert [label.get_text() for label in labels] == ["x", "y"]


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


def test_a_sweep_draws_a_point_per_value(tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(figures, "_save", lambda figure, stem: saved.append(figure))
    score = {"mean": 0.5, "std": None, "per_seed": [0.5]}
    scores = {"composite": {"uf1": score | {"mean": 0.25}, "uar": score}}
    paths = [write_metrics(tmp_path / f"{n}.json", source="twins", scores=scores) for n in range(3)]
    figures.sweep_figure([4, 8, 16], paths, "sampling.instances", tmp_path / "figure6")
    lines = [container.lines[0] for container in saved[0].axes[0].containers]
    assert [line.get_ydata().tolist() for line in lines] == [[25.0] * 3, [50.0] * 3]
    assert "SYNTHETIC" in saved[0].get_suptitle().upper()


def test_a_sweep_needs_a_file_per_value(tmp_path):
    with pytest.raises(InputError, match="2 values for 1 metrics files"):
        figures.sweep_figure([1, 2], [write_metrics(tmp_path / "m.json")], "k", tmp_path / "f")
