"""Which units show which emotion, as the sources named in `twins/units.py` have it, and which way each unit pulls."""

import numpy as np
import pytest

from ra_icl.twins import render as twins
from ra_icl.twins.faces import draw_face, draw_look
from ra_icl.twins.motion import STEP, draw_motion
from ra_icl.twins.plan import LAYOUTS, TwinOptions, clips
from ra_icl.twins.units import ACTION_UNITS, EMOTIONS, objective_class

# Yan et al. 2014, Table 3: what has to be there
CASME2 = {
    "happiness": lambda units: 6 in units or 12 in units,
    "disgust": lambda units: 9 in units or 10 in units or {4, 7} <= units,
    "surprise": lambda units: {1, 2} <= units or 25 in units or 2 in units,
    "repression": lambda units: bool(units) and units <= {15, 17},  # alone or in combination
}
# what shows each of them in turn, by the same table
CASME2_ALTERNATIVES = {
    "happiness": ({6}, {12}),
    "disgust": ({9}, {10}, {4, 7}),
    "surprise": ({1, 2}, {25}, {2}),
    "repression": ({15}, {17}, {15, 17}),
}
# Davison, Merghani and Yap: classes I to VI, without units 38 and 40
OBJECTIVE = {
    "happiness": [{6}, {12}, {6, 12}, {6, 7, 12}, {7, 12}],
    "surprise": [{1, 2}, {5}, {25}, {1, 2, 25}, {25, 26}, {5, 24}],
    "anger": [{23}, {4}, {4, 7}, {4, 5}, {4, 5, 7}, {17, 24}, {4, 6, 7}],
    "disgust": [{10}, {9}, {4, 9}, {4, 7, 9}, {4, 9, 17}, {4, 7, 10}, {4, 5, 7, 9}, {7, 10}],
    "sadness": [{1}, {15}, {1, 4}, {6, 15}, {15, 17}],
    "fear": [{1, 2, 4}, {20}],
}


def shown(dataset, emotion):
    """The sets of units that show an emotion; unilateral ones keep their side."""
    return [{int(u) if u.isdigit() else u for u in way} for way in EMOTIONS[dataset][emotion]]


@pytest.mark.parametrize("emotion", CASME2)
def test_casme2_follows_the_criteria_of_its_authors(emotion):
    ways = shown("casme2", emotion)
    assert all(CASME2[emotion](units) for units in ways)
    assert all(alternative in ways for alternative in CASME2_ALTERNATIVES[emotion])


@pytest.mark.parametrize("dataset", ["samm", "casme3"])
@pytest.mark.parametrize("emotion", OBJECTIVE)
def test_samm_and_casme3_follow_the_objective_classes(dataset, emotion):
    assert sorted(map(sorted, shown(dataset, emotion))) == sorted(map(sorted, OBJECTIVE[emotion]))


def test_an_emotion_has_its_objective_class():
    named = ["happiness", "surprise", "anger", "disgust", "sadness", "fear", "contempt", "others"]
    assert [objective_class(emotion) for emotion in named] == ["I", "II", "III", "IV", "V", "VI", "VII", "VII"]


def test_what_the_sources_tell_apart_stays_apart():
    assert {4, 7} in shown("casme2", "disgust")
    assert {4, 7} in shown("samm", "anger")
    assert {4, 7} not in shown("samm", "disgust")
    assert not any(14 in units for units in shown("casme2", "repression"))
    assert shown("casme2", "sadness") == [{1}]
    for units in shown("samm", "contempt"):  # on one side alone, of units 12 and 14
        assert units <= {"L12", "L14"} or units <= {"R12", "R14"}
    emotions = [(OBJECTIVE[emotion], emotion) for emotion in OBJECTIVE]
    everything = [tuple(sorted(units)) for ways, _ in emotions for units in ways]
    assert len(set(everything)) == len(everything)


def test_smic_takes_its_classes_from_the_others():
    assert shown("smic", "positive") == shown("samm", "happiness")
    assert shown("smic", "surprise") == shown("samm", "surprise")
    negative = [units for emotion in ("disgust", "sadness", "fear", "anger") for units in OBJECTIVE[emotion]]
    assert sorted(map(sorted, shown("smic", "negative"))) == sorted(map(sorted, negative))


def test_every_emotion_of_every_layout_has_units_that_can_be_drawn():
    for dataset, layout in LAYOUTS.items():
        for emotion in (*sum(layout.emotions, ()), *layout.excluded):
            for way in EMOTIONS[dataset][emotion]:
                assert {unit.lstrip("LR") for unit in way} <= ACTION_UNITS.keys()


@pytest.mark.parametrize("dataset", LAYOUTS)
def test_a_clip_shows_one_way_in_whole(dataset):
    options = TwinOptions(subjects=3, per_class=3, frames=(8, 12), scale=0.2)
    units = set()
    for clip in clips(dataset, options):
        _, motion = twins.clip_motion(twins.subject_face(clip, options), clip, options)
        assert set(motion.units) in [set(way) for way in EMOTIONS[dataset][clip.emotion]]
        units.add(motion.units)
    assert len(units) > 5


# unit -> where on the face (x in face widths from the midline, or a feature), and the sign of its motion there:
# away from the midline, down; None says nothing of that axis. By name and muscle of the unit in FACS.
PULLS = {
    "1": ("inner brow", None, -1),
    "2": ("outer brow", None, -1),
    "4": ("inner brow", -1, 1),
    "5": ("upper lid", None, -1),
    "6": ("cheek", None, -1),
    "7": ("lower lid", None, -1),
    "9": ("nose wing", None, -1),
    "10": ("upper lip", None, -1),
    "12": ("mouth corner", 1, -1),
    "15": ("mouth corner", None, 1),
    "17": ("chin", None, -1),
    "20": ("mouth corner", 1, 0),
    "23": ("mouth corner", -1, None),
    "24": ("lower lip", None, -1),
    "25": ("lower lip", None, 1),
    "26": ("chin", None, 1),
    "28": ("lower lip", None, -1),
}


def landmarks(look):
    """Face coordinates of features as they are drawn, right half of the picture."""
    (ex, ey), (ny, nw), (my, mw) = look.eye, look.nose, look.mouth
    return {
        "inner brow": (ex - 0.1, ey - look.brow[0]),
        "outer brow": (ex + 0.1, ey - look.brow[0]),
        "upper lid": (ex, ey - 0.02),
        "lower lid": (ex, ey + 0.03),
        "cheek": (ex, ey + 0.15),
        "nose wing": (nw, ny),
        "upper lip": (0.06, my - 0.03),
        "lower lip": (0.0, my + 0.05),
        "mouth corner": (mw, my),
        "chin": (0.0, look.chin - 0.08),
    }


@pytest.mark.parametrize("unit", PULLS)
def test_a_unit_pulls_where_and_how_its_muscle_does(unit):
    place, outward, down = PULLS[unit]
    rng = np.random.default_rng(3)
    face = draw_face(draw_look(rng), (320, 240), 120, rng)
    field = draw_motion(face, ((unit,),), 9, 4, 3.0, rng).fields[0]
    peak = np.linalg.norm(field, axis=0).max()
    x, y = landmarks(face.look)[place]
    for side in (1, -1):
        column = round((face.centre[0] + side * x * face.width) / STEP)
        row = round((face.centre[1] + y * face.width) / STEP)
        moved = field[:, row, column] / peak * (side, 1)
        for found, sign in zip(moved, (outward, down), strict=True):
            if sign == 0:
                assert abs(found) < 0.1
            elif sign:
                assert sign * found > 0.3
