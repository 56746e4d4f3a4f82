"""What is printed and drawn of predictions, read back."""

import io
import json
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest

from ra_icl.errors import InputError
from ra_icl.recognition.clips import Clip
from ra_icl.recognition.output import as_csv, as_json, as_table
from ra_icl.recognition.picture import _shown, attention_of, draw
from ra_icl.recognition.recognise import recognise


@pytest.fixture
def found(world):
    return [recognise(world.model(), world.frames(row)) for row in world.index.iloc[:2].itertuples()]


def test_table_csv_and_json_say_the_same(world, found):
    table = pd.read_csv(io.StringIO(as_csv(found, world.model())))
    listed = json.loads(as_json(found, world.model()))
    _, _, *lines = as_table(found, world.model()).splitlines()
    assert len(table) == len(listed["clips"]) == len(lines) == 2
    for one, row, entry, line in zip(found, table.itertuples(), listed["clips"], lines, strict=True):
        assert row.clip == entry["clip"] == str(one.clip.path)
        assert (row.onset, row.offset) == (entry["onset"], entry["offset"]) == (one.numbers[0], one.numbers[-1])
        assert entry["sampled"] == [one.numbers[position] for position in one.positions] != one.positions
        assert row.prediction == entry["prediction"] == one.prediction == line.split()[-1]
        values = [row.p_negative, row.p_positive, row.p_surprise]
        assert values == list(entry["probabilities"].values()) == list(one.probabilities.values())
        assert [float(cell) for cell in line.split()[-4:-1]] == [round(value, 2) for value in values]
        assert sum(values) == pytest.approx(1)
    assert listed["model"]["synthetic"] is True
    assert any("no lie detector" in line for line in listed["model"]["notice"])


def test_what_is_not_utf_8_is_escaped(world, found):
    one = replace(found[0], clip=Clip("b\udcffd"), face=found[0].face | {"marks": ["b\udcffd: is cut off"]})
    (listed,) = json.loads(as_json([one], world.model()).encode("utf-8"))["clips"]
    assert (listed["clip"], listed["marks"]) == (r"b\udcffd", [r"b\udcffd: is cut off"])
    assert pd.read_csv(io.StringIO(as_csv([one], world.model())))["clip"].tolist() == [r"b\udcffd"]


def test_the_attention_is_what_the_class_gains_from_each_place(world, found):
    """Its mean over the picture is the logit, as the classifier has no bias."""
    model, one = world.model(), found[0]
    label = model.classes.index(one.prediction)
    logits = model.network.classify(one.inputs.float()).detach().numpy()
    np.testing.assert_allclose(attention_of(one, model).mean(axis=(1, 2)), logits[:, label], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("instances", [1, 2, 4, 5, 16, 33])
def test_the_instances_that_are_drawn_have_the_middle_one_among_them(instances):
    shown = _shown(instances)
    assert (instances - 1) // 2 in shown
    assert len(shown) == min(5, instances)
    assert shown == sorted(set(shown))
    assert max(shown) < instances


def test_a_picture_of_no_known_kind_is_refused(world, found, tmp_path):
    with pytest.raises(InputError, match=r"out\.txt: is no kind of picture; end its name in \.png"):
        draw(found[0], world.model(), tmp_path / "out.txt")


def test_the_picture_shows_a_column_per_instance(world, found, tmp_path):
    draw(found[0], world.model(), tmp_path / "out.png")
    image = cv2.imread(str(tmp_path / "out.png"))
    assert image.shape[1] > image.shape[0] > 900
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 1000
