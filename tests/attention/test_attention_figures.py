"""The figures of attention: which picture stands where, and what their titles say."""

from itertools import pairwise

import numpy as np
import pytest

from ra_icl.attention import figures
from ra_icl.attention.grids import MethodView, Shown
from ra_icl.errors import InputError
from ra_icl.flow.wheel import flow_colours

SIZE, QUERIES = 16, 8
rng = np.random.default_rng(0)
FACTS = {"data_source": "twins", "protocol": "cde", "selection": "last", "class_name": "positive", "chosen_by": "M6"}
FACTS |= {"counts": "2 of 8 sequences, 1 of 4 people"}


def view(title, instances, queries=0):
    maps = rng.normal(size=(3, instances, SIZE, SIZE))
    found = rng.random((instances, queries, SIZE, SIZE)) if queries else None
    return MethodView(title, "positive 62 %", maps[0], np.abs(maps[1]), np.abs(maps[2]), found)


def sequence(instances=3, frames=True, title="surest right: sub01/EP02, happiness"):
    clip = rng.integers(0, 256, (instances, SIZE, SIZE), np.uint8) if frames else None
    active = np.zeros((SIZE, SIZE), bool)
    active[4:9, 3:12] = True
    labels = [f"frame {number}" for number in range(instances)]
    motion, strain = rng.normal(size=(instances, 2, SIZE, SIZE)), rng.random((instances, SIZE, SIZE))
    methods = [view("M2", instances), view("M5", instances), view("M6", instances, QUERIES)]
    return Shown(title, labels, clip, motion, strain, frames, active if frames else None, methods)


@pytest.fixture
def drawn(monkeypatch):
    """The figures that a test draws, instead of their files."""
    found = []
    monkeypatch.setattr(figures, "save_figure", lambda figure, stem: found.append(figure))
    return found


def rows_of(figure):
    """The axes by row from the top, each from the left, without the key in the corner."""
    axes = [axis for axis in figure.axes if axis.get_title() or axis.axison]
    axes = [axis for axis in axes if axis.axison]
    heights = sorted({round(axis.get_position().y0, 4) for axis in axes}, reverse=True)
    return [
        sorted((a for a in axes if round(a.get_position().y0, 4) == y), key=lambda a: a.get_position().x0)
        for y in heights
    ]


def texts(figure):
    return "\n".join(text.get_text() for text in figure.texts)


def test_frames_motion_strain_and_the_maps_of_every_method_stand_side_by_side(drawn):
    right, wrong = sequence(), sequence(2, title="surest wrong: sub02/EP03, happiness")
    figures.attention_figure([right, wrong], "casme2", FACTS, "unused")
    [figure] = drawn
    rows = rows_of(figure)
    assert [len(row) for row in rows] == [3 + 3 * 3] * 5
    for shown, some in ((right, rows[:3]), (wrong, rows[3:])):
        heads = [axis.get_title() for axis in some[0]]
        assert heads[0] == "frame"
        assert heads[1] == f"motion\nto {shown.speed:.2g} px"
        assert heads[2:] == ["strain", *["CAM", "Grad-CAM", "Guided"] * 3]
        for number, row in enumerate(some):
            assert row[0].get_ylabel() == f"frame\n{number}"
            images = [axis.images[0].get_array() for axis in row]
            assert np.array_equal(images[0], shown.frames[number])
            assert np.array_equal(images[1], flow_colours(shown.motion[number], shown.speed))
            assert np.array_equal(images[2], shown.strain[number])
            for place, one in enumerate(shown.methods):
                cam, ground, guided = images[3 + 3 * place : 6 + 3 * place]
                assert np.array_equal(cam, one.cam[number])
                assert np.array_equal(ground, shown.frames[number])
                heat = row[4 + 3 * place].images[1]
                np.testing.assert_allclose(heat.get_array(), one.grad_cam[number] / one.grad_cam.max())
                assert np.array_equal(guided, one.guided[number])
    assert [text.get_text() for text in rows[0][4].texts] == ["M2\npositive 62 %"]
    assert "CASME II, class positive" in texts(figure)
    assert "SYNTHETIC TWINS: not comparable with any published number" in texts(figure)
    assert "surest wrong: sub02/EP03, happiness" in texts(figure)
    assert "Shown: 2 of 8 sequences, 1 of 4 people of this class." in texts(figure)
    assert "Outlined: where the expression moves the skin" in texts(figure).replace("\n", " ")
    assert "Surest: by M6." in texts(figure)
    figures.attention_figure([wrong], "casme2", FACTS, "unused")
    assert "Surest: by M6, which gets none right." in texts(drawn[1])


def test_a_map_has_one_scale_over_the_instances_of_a_sequence(drawn):
    shown = sequence()
    figures.attention_figure([shown], "casme2", FACTS, "unused")
    rows = rows_of(drawn[0])
    limit = np.abs(shown.methods[0].cam).max()
    assert {row[3].images[0].get_clim() for row in rows} == {(-limit, limit)}
    red, _, blue, _ = rows[0][3].images[0].get_cmap()(1.0)
    assert red > blue  # the largest values speak for the class
    assert len({row[5].images[0].get_clim() for row in rows}) == 1
    arrows = rows[0][1].collections[0]
    assert np.hypot(arrows.U, arrows.V).max() <= shown.speed * 1.0001


def test_published_maps_start_with_the_motion(drawn):
    facts = FACTS | {"data_source": "public_flow"}
    figures.attention_figure([sequence(2, frames=False)], "samm", facts, "unused")
    figures.regions_figure([sequence(2, frames=False)], "samm", facts, "unused")
    rows = rows_of(drawn[0])
    assert [axis.get_title() for axis in rows[0][:3]] == ["motion", "strain", "CAM"]
    assert rows_of(drawn[1])[0][0].get_title() == "motion"
    assert "published flow maps" in texts(drawn[0])
    assert "SYNTHETIC" not in texts(drawn[0])
    assert "Outlined" not in texts(drawn[0])


def test_the_second_grid_has_a_column_for_every_query(drawn):
    shown = sequence()
    figures.regions_figure([shown], "casme2", FACTS, "unused")
    rows = rows_of(drawn[0])
    assert [axis.get_title() for axis in rows[0]] == ["frame", *(f"query {number}" for number in range(1, 9))]
    regions = shown.methods[2].regions
    for number, row in enumerate(rows):
        for query in range(QUERIES):
            image = row[1 + query].images[0]
            assert np.array_equal(image.get_array(), regions[number, query])
            assert image.get_clim() == (regions.min(), regions.max())
    [said] = [text.get_text() for text in rows[0][1].texts]
    assert said == f"M6: positive 62 %\nP from {regions.min():.3f} (dark) to {regions.max():.3f}; uniform: 0.125"


def test_methods_without_regions_have_no_second_grid():
    shown = sequence()
    with pytest.raises(InputError, match=r"^--methods: M2, M5: no region discovery"):
        figures.regions_figure([shown._replace(methods=shown.methods[:2])], "casme2", FACTS, "unused")


@pytest.mark.parametrize(("methods", "queries"), [(3, 8), (5, 16)])
def test_headings_stand_apart(drawn, methods, queries):
    """Also of as many columns as a page has no room for, so that the figure becomes wider than one."""
    views = [view(f"M{number}", 2) for number in range(methods - 1)] + [view("M6", 2, queries)]
    for draw in (figures.attention_figure, figures.regions_figure):
        draw([sequence(2)._replace(methods=views)], "casme2", FACTS, "unused")
        renderer = drawn[-1].canvas.get_renderer()
        headings = [axis.title.get_window_extent(renderer) for axis in rows_of(drawn[-1])[0]]
        assert all(left.x1 < right.x0 for left, right in pairwise(headings))
        assert headings[-1].x1 < drawn[-1].bbox.width


def test_regions_as_good_as_uniform_look_uniform(drawn):
    shown = sequence()
    flat = np.full_like(shown.methods[2].regions, 0.125) + 1e-7 * shown.methods[2].regions
    shown = shown._replace(methods=[shown.methods[2]._replace(regions=flat)])
    figures.regions_figure([shown], "casme2", FACTS, "unused")
    low, high = rows_of(drawn[0])[0][1].images[0].get_clim()
    assert low < 0.1245
    assert high > 0.1255


def test_both_files_are_written_and_are_the_same_again(tmp_path):
    shown = sequence(1)
    shown = shown._replace(methods=shown.methods[:1])
    for name in ("one", "two"):
        figures.attention_figure([shown], "casme2", FACTS, tmp_path / name)
    for suffix in (".png", ".pdf"):
        first, second = ((tmp_path / f"{name}{suffix}").read_bytes() for name in ("one", "two"))
        assert len(first) > 5000
        assert first == second


def test_words_above_the_grid_do_not_lie_on_each_other(drawn):
    facts = FACTS | {"protocol": "groups5", "selection": "best_on_held_out", "chosen_by": "a long title of a method"}
    figures.attention_figure([sequence(2, title="surest wrong: sub02/EP03, happiness")], "casme2", facts, "unused")
    [figure] = drawn
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.texts]
    assert len(boxes) == 3
    heights = sorted((box.y0, box.y1) for box in boxes)
    assert all(below[1] <= above[0] for below, above in pairwise(heights))
