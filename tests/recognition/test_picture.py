"""The picture of a prediction: what is written on it can be read, also where it is narrow."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from ra_icl.evaluation.motion import full_colour
from ra_icl.flow.wheel import flow_colours
from ra_icl.recognition.card import NO_LIE_DETECTOR
from ra_icl.recognition.clips import Clip
from ra_icl.recognition.picture import SHOWN, attention_of, picture_of
from ra_icl.recognition.recognise import recognise


@pytest.mark.parametrize("instances", [1, 4])
def test_titles_and_warnings_fit_between_the_edges(world, instances):
    found = recognise(world.model(), world.frames(next(world.index.itertuples())))
    found = replace(found, clip=Clip(Path("a_long_name_of_a_clip" * 6)), positions=found.positions[:instances])
    found = replace(found, maps=found.maps[:instances], inputs=found.inputs[:instances])
    figure = picture_of(found, world.model())
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    for text in figure.texts:
        place = text.get_window_extent(renderer)
        assert place.x0 >= 0, text
        assert place.x1 <= figure.bbox.width, text
    assert " ".join(figure.get_supxlabel().split()) == NO_LIE_DETECTOR
    assert figure.get_suptitle().replace("\n", " ").startswith("TRAINED ON SYNTHETIC FACES: says nothing about people ")


def test_every_panel_shows_what_belongs_to_its_instance(world):
    """Of 7 instances, so that those shown are not simply the first ones."""
    rng = np.random.default_rng(0)
    one = recognise(world.model(), world.frames(next(world.index.itertuples())))
    maps = rng.normal(size=(7, 3, *one.maps.shape[2:])).astype(np.float16)
    found = replace(one, positions=[2, 3, 5, 6, 7, 9, 10], maps=maps, inputs=torch.from_numpy(maps).float())
    instances = [0, 2, 3, 4, 6]  # 3 is the middle one
    assert len(instances) == SHOWN
    attention, shown = attention_of(found, world.model()), maps[instances].astype(np.float32)
    largest = np.abs(attention[instances]).max()
    figure = picture_of(found, world.model())
    frames, motions, strains, maps_of_class = np.array(figure.axes).reshape(4, 1 + SHOWN)
    longest = full_colour(np.linalg.norm(shown[:, :2], axis=1))
    assert frames[0].get_title() == f"frame {found.numbers[0]}\nonset"
    np.testing.assert_array_equal(frames[0].images[0].get_array(), found.crops[0])
    for column, instance in enumerate(instances, 1):
        position = found.positions[instance]
        note = "\npredicted from" if instance == 3 else ""
        assert frames[column].get_title() == f"frame {found.numbers[position]}{note}"
        np.testing.assert_array_equal(frames[column].images[0].get_array(), found.crops[position])
        colours = flow_colours(shown[column - 1, :2], longest)
        np.testing.assert_array_equal(motions[column].images[0].get_array(), colours)
        np.testing.assert_array_equal(strains[column].images[0].get_array(), shown[column - 1, 2])
        below, above = maps_of_class[column].images
        np.testing.assert_array_equal(below.get_array(), found.crops[position])
        np.testing.assert_array_equal(above.get_array(), attention[instance])
        assert above.get_extent() == below.get_extent()
        assert above.get_clim() == (-largest, largest)
        red, _, blue, _ = above.get_cmap()(1.0)
        assert red > blue  # the largest values speak for the class


def test_a_name_that_is_not_utf_8_can_be_drawn(world):
    found = recognise(world.model(), world.frames(next(world.index.itertuples())))
    figure = picture_of(replace(found, clip=Clip(Path("b\udcffd"))), world.model())
    FigureCanvasAgg(figure).draw()
    assert r"b\udcffd, frames" in figure.get_suptitle()
