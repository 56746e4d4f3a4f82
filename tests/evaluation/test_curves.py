"""Training curves: what the folds' records hold is what is drawn, and a collapse is seen."""

import math

import numpy as np
import pytest
from drawn_legends import assert_legends_are_clear
from fold_records import curve, wins, write_fold
from typer.testing import CliRunner

from ra_icl.cli import app
from ra_icl.errors import InputError
from ra_icl.evaluation import curves
from ra_icl.evaluation.folds import predictions_among

ROWS = [("s1", 0, 0), ("s2", 1, 1), ("s3", 2, 2)]
TERMS = (r"$L_{\mathrm{cls}}$", r"$L_{\mathrm{acl}}$", r"$L_{\mathrm{align}}$", r"$L_{\mathrm{c}}$")
OTHERS = ("training accuracy (%)", "gradient on the backbone", "pixels won by query (%)", "regions: 1 is no division")


@pytest.fixture
def saved(monkeypatch):
    """The figures that would be written."""
    found = []
    monkeypatch.setattr(curves, "save_figure", lambda figure, stem: found.append(figure))
    return found


def panels(figure):
    return {axis.get_title(): axis for axis in figure.axes if axis.axison}


def folds_of(tmp_path, shifts, epochs=3, **more):
    return [write_fold(tmp_path, f"samm-00{n}", ROWS, curve(epochs, shift, **more)) for n, shift in enumerate(shifts)]


def test_lines_are_means_and_bands_hold_all_folds_and_four_in_five(tmp_path, saved):
    shifts = [0.0, 0.1, 0.25, 0.7]
    curves.curves_figure(folds_of(tmp_path, shifts), tmp_path / "out")
    found = panels(saved[0])
    assert tuple(found) == (*TERMS, *OTHERS, "target's distance (%)", "norm of the classifier")
    for number, name in enumerate(TERMS):
        line, epochs = found[name].lines[0], [1, 2, 3]
        each = [[number + 1 + shift - 0.1 * epoch for epoch in range(3)] for shift in shifts]
        assert line.get_xdata().tolist() == epochs
        assert line.get_ydata().tolist() == pytest.approx([sum(at) / 4 for at in zip(*each, strict=True)])
        outer, inner = (band.get_paths()[0].vertices for band in found[name].collections)
        for epoch in epochs:
            at = [one[epoch - 1] for one in each]
            assert outer[outer[:, 0] == epoch][:, 1].min() == pytest.approx(min(at))
            assert outer[outer[:, 0] == epoch][:, 1].max() == pytest.approx(max(at))
            ends = np.percentile(at, (10, 90))
            assert inner[inner[:, 0] == epoch][:, 1].min() == pytest.approx(ends[0])
            assert inner[inner[:, 0] == epoch][:, 1].max() == pytest.approx(ends[1])
    norms = found["norm of the classifier"].lines[0].get_ydata()
    assert norms.tolist() == pytest.approx([1 + sum(shifts) / 4 + 0.2 * epoch for epoch in range(3)])


def test_what_guessing_gives_is_marked(tmp_path, saved):
    """Of 10 training sequences, 6, 3 and 1 a class."""
    curves.curves_figure(folds_of(tmp_path, [0, 0.1]), tmp_path / "out")
    found = panels(saved[0])
    entropy = -sum(share * math.log(share) for share in (0.6, 0.3, 0.1))
    assert found[TERMS[0]].lines[1].get_ydata()[0] == pytest.approx(entropy)
    assert found["training accuracy (%)"].lines[1].get_ydata()[0] == pytest.approx(60)
    assert len(found[TERMS[1]].lines) == 1


def test_queries_are_ranked_in_every_epoch_of_every_fold(tmp_path, saved):
    """Which query is the largest differs between epochs and folds; its share does not."""
    shifts = [0.0, 1.0]
    paths = folds_of(tmp_path, shifts)
    curves.curves_figure(paths, tmp_path / "out")
    axis = panels(saved[0])["pixels won by query (%)"]
    ranked = [sorted(wins(0, shift), reverse=True) for shift in shifts]
    tops = np.cumsum(100 * np.mean(ranked, axis=0))
    for layer, top in zip(axis.collections, tops, strict=True):
        assert layer.get_paths()[0].vertices[:, 1].max() == pytest.approx(top)
    assert axis.lines[0].get_ydata().tolist() == pytest.approx([100 * max(ranked[1])] * 3)
    entropy, cosine, limit = panels(saved[0])["regions: 1 is no division"].lines
    assert entropy.get_ydata().tolist() == pytest.approx([(1 + 0.01 * epoch) / math.log(4) for epoch in range(3)])
    assert cosine.get_ydata().tolist() == pytest.approx([0.5 + 0.02 * epoch for epoch in range(3)])
    assert limit.get_ydata()[0] == 0.99


def test_legends_cover_no_curve(tmp_path, saved):
    curves.curves_figure(folds_of(tmp_path, [0.0, 0.3]), tmp_path / "out")
    assert sum(axis.get_legend() is not None for axis in saved[0].axes) == 3
    assert_legends_are_clear(saved[0])


def test_a_method_without_modules_has_no_panels_for_them(tmp_path, saved):
    curves.curves_figure(folds_of(tmp_path, [0, 1], terms=("cls",)), tmp_path / "out")
    assert tuple(panels(saved[0])) == (TERMS[0], *OTHERS[:2], "norm of the classifier")


def test_folds_with_different_numbers_of_epochs_meet_at_the_same_shares(tmp_path, saved):
    paths = [write_fold(tmp_path, "samm-1", ROWS, curve(2, 0.0)), write_fold(tmp_path, "samm-2", ROWS, curve(4, 1.0))]
    curves.curves_figure(paths, tmp_path / "out")
    line = panels(saved[0])[TERMS[0]].lines[0]
    assert line.get_xdata().tolist() == [25, 50, 75, 100]
    short, long = [1.0, 1.0, 0.95, 0.9], [2.0, 1.9, 1.8, 1.7]
    assert line.get_ydata().tolist() == pytest.approx(
        [(one + other) / 2 for one, other in zip(short, long, strict=True)]
    )
    assert "% of the training" in [axis.get_xlabel() for axis in saved[0].axes]


def test_the_title_counts_what_explain_finds(tmp_path, saved):
    collapsed = curve(3)
    for epoch in collapsed:  # learned, and one query has all pixels
        epoch |= {"accuracy": 0.99, "cls": 0.1, "wins": [1.0, 0, 0, 0], "gradients": {"cls": 1.0}}
    plain = [epoch | {"accuracy": 0.99, "cls": 0.1, "gradients": {"cls": 1.0}} for epoch in curve(3)]
    paths = [write_fold(tmp_path, f"samm-{n}", ROWS, one) for n, one in enumerate([collapsed, plain, collapsed])]
    curves.curves_figure(paths, tmp_path / "out", "M6 (ours)")
    lines = saved[0].get_suptitle().splitlines()
    assert lines[0] == "M6 (ours), protocol cde: 3 trainings"
    assert lines[1] == "SYNTHETIC TWINS: not comparable with any published number"
    assert "2 of 3: the queries have collapsed" in lines
    assert saved[0].get_supxlabel().startswith("Data: synthetic twins of SAMM, 9 sequences, 3 people\n")
    curves.curves_figure(paths[1:2], tmp_path / "out")
    assert saved[1].get_suptitle().endswith("\nra-icl explain finds nothing in any of them")


def test_what_cannot_be_drawn_is_named(tmp_path):
    first = write_fold(tmp_path, "samm-1", ROWS, curve(2))
    ensemble = write_fold(tmp_path, "samm-2", ROWS, None)
    other = write_fold(tmp_path, "samm-1", ROWS, curve(2), method="m5")
    for paths, words in (
        ([], "no folds given"),
        ([first, ensemble], r"seed0/samm-2\.csv: its record holds no curve, as those of ensembles"),
        ([first, other], r"m5/seed0/samm-1\.csv: method is 'm5', not 'm6'; name folds of one method and one run"),
        ([tmp_path / "gone.csv"], r"gone\.csv: "),
    ):
        with pytest.raises(InputError, match=words):
            curves.curves_figure(paths, tmp_path / "out")
    assert not list(tmp_path.glob("out.*"))


def test_older_records_show_what_they_hold(tmp_path, saved):
    old = [{name: epoch[name] for name in ("loss", "cls", "accuracy")} for epoch in curve(2)]
    curves.curves_figure([write_fold(tmp_path, "samm-1", ROWS, old)], tmp_path / "out")
    assert tuple(panels(saved[0])) == (TERMS[0], OTHERS[0])
    assert "explain" not in saved[0].get_suptitle()
    least = [{name: epoch[name] for name in ("loss", "accuracy")} for epoch in curve(2)]
    curves.curves_figure([write_fold(tmp_path, "samm-1", ROWS, least)], tmp_path / "out")
    assert tuple(panels(saved[1])) == ("loss", OTHERS[0])


def test_the_command_draws_what_a_pattern_finds(tmp_path):
    path = write_fold(tmp_path, "samm-1", ROWS, curve(2))
    beside = [path.with_suffix(suffix) for suffix in (".epochs.csv", ".views.csv")]
    for one in beside:
        one.write_text("x\n")
    assert predictions_among([path, *beside]) == [path]
    done = CliRunner().invoke(app, ["curves", *map(str, [path, *beside]), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done
    assert (tmp_path / "out.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
