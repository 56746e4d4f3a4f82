"""The picture of a prediction: what is written on it can be read, also where it is narrow."""

from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from ra_icl.recognition.card import NO_LIE_DETECTOR
from ra_icl.recognition.clips import Clip
from ra_icl.recognition.picture import picture_of
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
