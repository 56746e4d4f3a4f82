"""Figures 6-10: a point per value, deviations over seeds, the default marked."""

import numpy as np
import pytest
from drawn_legends import assert_legends_are_clear
from metrics_content import deviation, metrics, percents

from ra_icl import files
from ra_icl.errors import InputError
from ra_icl.evaluation import sweeps

METHODS = ("m3", "m1", "m2")


@pytest.fixture
def saved(monkeypatch):
    """The figures that would be written."""
    found = []
    monkeypatch.setattr(sweeps, "save_figure", lambda figure, stem: found.append(figure))
    return found


def write_metrics(path, method="m6", protocol="cde", **more):
    files.write_json(path, metrics(method, protocol, **more))
    return path


def paths_of(tmp_path, **more):
    return [write_metrics(tmp_path / f"{method}.json", method, **more) for method in METHODS]


def test_a_sweep_draws_a_point_per_value_in_the_order_of_the_values(tmp_path, saved):
    paths = paths_of(tmp_path, source="twins", seeds=(0, 1))
    sweeps.sweep_figure([4, 8, 16], paths, "sampling.instances", tmp_path / "figure6")
    axis = saved[0].axes[0]
    assert len(axis.containers) == 2
    for score, container in enumerate(axis.containers):
        means = np.array([percents(method, 0)[score] for method in METHODS])
        line, _, (bars,) = container.lines
        assert container.get_label() == ("UF1", "UAR")[score]
        assert line.get_ydata().tolist() == pytest.approx(means.tolist())
        for position, (segment, mean) in enumerate(zip(bars.get_segments(), means, strict=True)):
            ends = (mean - deviation(0, score), mean + deviation(0, score))
            assert segment[:, 1].tolist() == pytest.approx(ends)
            assert segment[:, 0].tolist() == pytest.approx([position + (-0.036, 0.036)[score]] * 2)  # side by side
    assert [label.get_text() for label in axis.get_xticklabels()] == ["4", "8", "16"]
    assert axis.get_xlabel() == "number of instances N (sampling.instances)"
    assert "SYNTHETIC" in saved[0].get_suptitle().upper()
    assert "no error bars" not in saved[0].get_suptitle()


@pytest.mark.parametrize(("default", "place"), [(4, 0), (16, 2), (None, None)])
def test_the_default_is_marked_where_it_is(tmp_path, saved, default, place):
    sweeps.sweep_figure([4, 8, 16], paths_of(tmp_path), "loss.regions", tmp_path / "figure10", default)
    axis = saved[0].axes[0]
    assert [text.get_text() for text in axis.texts] == ([] if place is None else ["default"])
    bold = [label.get_fontweight() == "bold" for label in axis.get_xticklabels()]
    assert bold == [number == place for number in range(3)]
    if place is not None:
        assert axis.texts[0].xy[0] == place
        assert [line.get_xdata()[0] for line in axis.lines if line.get_linewidth() == 8] == [place]


def test_one_seed_has_no_error_bars_and_says_so(tmp_path, saved):
    sweeps.sweep_figure([4, 8, 16], paths_of(tmp_path), "k", tmp_path / "figure6")
    assert [container.has_yerr for container in saved[0].axes[0].containers] == [False, False]
    assert saved[0].get_suptitle() == "CDE over k\none seed: no error bars"


def test_the_legend_covers_no_point(tmp_path, saved):
    sweeps.sweep_figure([4, 8, 16], paths_of(tmp_path, seeds=(0, 1)), "k", tmp_path / "figure6")
    assert_legends_are_clear(saved[0])


def test_groups_are_said_not_to_be_loso(tmp_path, saved):
    path = write_metrics(tmp_path / "m.json", protocol="groups5")
    sweeps.sweep_figure([1], [path], "model.regions.queries", tmp_path / "figure7", 1, "M6 (ours)")
    assert saved[0].get_suptitle().startswith("M6 (ours), CDE over the number of facial queries\n")
    assert "\nfive folds by subject, not LOSO" in saved[0].get_suptitle()


def test_a_sweep_needs_a_file_per_value_of_its_protocol_and_a_default_among_them(tmp_path):
    path = write_metrics(tmp_path / "m.json")
    with pytest.raises(InputError, match="2 values for 1 metrics files"):
        sweeps.sweep_figure([1, 2], [path], "k", tmp_path / "f")
    with pytest.raises(InputError, match="default 3 is none of the values 1"):
        sweeps.sweep_figure([1], [path], "k", tmp_path / "f", 3)
    with pytest.raises(InputError, match="protocol is casme3_3; give cde"):
        sweeps.sweep_figure([1], [write_metrics(tmp_path / "3.json", protocol="casme3_3")], "k", tmp_path / "f")
    assert not list(tmp_path.glob("f.*"))


def test_both_files_are_written(tmp_path):
    sweeps.sweep_figure([1, 2, 3], paths_of(tmp_path), "k", tmp_path / "f", 2)
    assert (tmp_path / "f.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
