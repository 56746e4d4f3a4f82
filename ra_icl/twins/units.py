"""Which facial action units show which emotion in the synthetic twins, and where each unit moves the skin.

Taken unit by unit from these sources:

- CASME II: happiness, surprise, disgust and repression by the criteria of Yan et al. (PLoS ONE 9(1), 2014, Table 3), as
  reprinted in a thesis; the original table was not available. They are the minimum that an emotion requires, and the
  twins show no more. The units of two emotions come from the released coding, as summarised by `tvaranka/meb` for units
  coded with several emotions: 1 with sadness (and surprise), 4, 14 and 4+12 with `others`. Of its 17 clips with 14
  alone, 12 are `others` and 2 repression, so 14 does not show repression here.
- SAMM, CAS(ME)³: the objective classes I to VI of Davison, Merghani and Yap (J. Imaging 4(10), 2018), from the
  authors' review (arXiv 1805.02397, Table 9); the emotion that belongs to each class from Guo et al. (arXiv
  1907.09160). This is indirect: SAMM labels emotions by EMFACS and the stimulus, CAS(ME)³ by the subject's report, so
  that unit 4 alone occurs with all seven emotions (`tvaranka/meb`). EMFACS and the papers on these two datasets were
  not available.
- Contempt: class VII, which lists no units. Units 12 and 14 on one side of the face, following public references to
  FACS (biopac.com; Wikipedia lists 12 with 14).

Chosen here, because no source specifies it: all ways to show an emotion are equally frequent; fear in CASME II follows
class VI; `others` uses units that CAS(ME)³ codes as such, and so does SAMM's `other`; in SMIC-HS, which has no units,
positive is shown as happiness, and negative as disgust, sadness, fear or anger. Units 38 and 40 (nostrils, sniff), and
so 4+38, 4+40 and 4+5+40 of classes III and IV, are left out.

Directions follow the names and muscles in FACS; lengths and radii are chosen by eye.
"""

Ways = tuple[tuple[str, ...], ...]


def _ways(text: str) -> Ways:
    return tuple(tuple(way.split("+")) for way in text.split())


_CLASSES: dict[str, Ways] = {
    "happiness": _ways("6 12 6+12 6+7+12 7+12"),  # class I
    "surprise": _ways("1+2 5 25 1+2+25 25+26 5+24"),  # II
    "anger": _ways("4 23 4+5 4+7 17+24 4+5+7 4+6+7"),  # III
    "disgust": _ways("9 10 4+9 7+10 4+7+9 4+7+10 4+9+17 4+5+7+9"),  # IV
    "sadness": _ways("1 15 1+4 6+15 15+17"),  # V
    "fear": _ways("20 1+2+4"),  # VI
}
_NUMERALS = dict(zip(_CLASSES, ("I", "II", "III", "IV", "V", "VI"), strict=True))
_OTHERS = _ways("14 24 28 14+24")

# dataset -> emotion as annotated -> the ways to show it; a clip shows all units of one way
EMOTIONS: dict[str, dict[str, Ways]] = {
    "casme2": {
        "happiness": _ways("6 12 6+12"),
        "surprise": _ways("2 25 1+2"),
        "disgust": _ways("9 10 4+7"),
        "repression": _ways("15 17 15+17"),
        "sadness": _ways("1"),
        "fear": _CLASSES["fear"],
        "others": _ways("4 14 4+12"),
    },
    "samm": _CLASSES | {"contempt": _ways("L12 R12 L14 R14 L12+L14 R12+R14"), "other": _OTHERS},
    "smic": {
        "positive": _CLASSES["happiness"],
        "surprise": _CLASSES["surprise"],
        "negative": sum((_CLASSES[emotion] for emotion in ("disgust", "sadness", "fear", "anger")), ()),
    },
    "casme3": _CLASSES | {"others": _OTHERS},
}

# action unit -> (place, direction, radius in face widths); directions are outward and down
ACTION_UNITS: dict[str, tuple[tuple[str, tuple[float, float], float], ...]] = {
    "1": (("inner brow", (0.0, -1.0), 0.075),),
    "2": (("outer brow", (0.1, -1.0), 0.080),),
    "4": (("inner brow", (-0.6, 0.8), 0.075), ("glabella", (0.0, 0.6), 0.05)),
    "5": (("upper lid", (0.0, -0.9), 0.048),),
    "6": (("cheek", (0.15, -0.9), 0.095), ("outer eye", (-0.3, 0.2), 0.05)),
    "7": (("lower lid", (0.0, -0.8), 0.055), ("upper lid", (0.0, 0.35), 0.05)),
    "9": (("nose wing", (0.1, -1.0), 0.065), ("glabella", (0.0, 0.5), 0.05)),
    "10": (("upper lip", (0.1, -1.0), 0.070), ("nose wing", (0.15, -0.5), 0.055)),
    "12": (("mouth corner", (0.7, -0.75), 0.090),),
    "14": (("mouth corner", (0.8, 0.1), 0.060),),
    "15": (("mouth corner", (0.2, 1.0), 0.080),),
    "17": (("chin", (0.0, -1.0), 0.095), ("lower lip", (0.0, -0.4), 0.06)),
    "20": (("mouth corner", (1.0, 0.0), 0.095),),
    "23": (("mouth corner", (-0.7, 0.0), 0.065), ("lower lip", (0.0, -0.6), 0.06)),
    "24": (("upper lip", (0.0, 0.8), 0.070), ("lower lip", (0.0, -0.8), 0.070)),
    "25": (("lower lip", (0.0, 0.9), 0.055), ("upper lip", (0.0, -0.35), 0.05)),
    "26": (("lower lip", (0.0, 0.7), 0.085), ("chin", (0.0, 1.0), 0.150)),
    "28": (("lower lip", (0.0, -1.0), 0.080), ("chin", (0.0, -0.6), 0.10)),
    "blink": (("upper lid", (0.0, 1.0), 0.050),),
}


def objective_class(emotion: str) -> str:
    """The objective class of an emotion, I to VI; VII for any other."""
    return _NUMERALS.get(emotion, "VII")
