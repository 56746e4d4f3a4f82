"""How figures look: letters that stay letters and can be read, colours that colour-blind people tell apart."""

import re
from itertools import combinations

import numpy as np
import pytest
from metrics_content import metrics, people

from ra_icl.evaluation import style

# Linear RGB as people without the second kind of cone see it (Viénot, Brettel and Mollon 1999), the most common lack.
DEUTAN = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])


@pytest.fixture
def saved(tmp_path):
    plt = style.pyplot()
    figure, axis = plt.subplots(figsize=(style.COLUMN, 2))
    for number in range(3):
        axis.plot([0, 1], [number, 1], label=f"line {number}")
    axis.set(title="Title äé³", xlabel="x")
    axis.legend()
    style.say_below(figure, style.data_of([metrics("m1", source="twins", subjects=people(0.5))]))
    style.save_figure(figure, tmp_path / "figure")
    return figure, tmp_path


def test_a_saved_figure_is_closed(saved):
    assert not style.pyplot().fignum_exists(saved[0].number)


def test_the_pdf_embeds_truetype_fonts(saved):
    pdf = (saved[1] / "figure.pdf").read_bytes()
    kinds = set(re.findall(rb"/Subtype /(Type\w*|TrueType|CIDFontType\w*)", pdf))
    assert b"CIDFontType2" in kinds  # TrueType
    assert b"Type3" not in kinds  # drawn letters, which publishers refuse
    assert b"/FontFile2" in pdf
    width = float(re.search(rb"/MediaBox \[ 0 0 ([0-9.]+)", pdf)[1])
    assert width == pytest.approx(72 * style.COLUMN)


def test_no_letter_is_too_small_to_read_in_print(saved):
    texts = [text for text in saved[0].findobj(lambda artist: hasattr(artist, "get_fontsize")) if text.get_text()]
    assert len(texts) > 8
    assert min(text.get_fontsize() for text in texts) >= style.TINY >= 7


def test_a_figure_says_what_data_it_is_of(saved):
    assert saved[0].get_supxlabel() == "Data: synthetic twins of CASME II, SAMM and SMIC-HS, 100 sequences, 15 people"
    maps = metrics("m1", datasets=("smic",), source="public_flow", seeds=(0, 1))
    assert style.data_of([maps]) == "Data: published flow maps of SMIC-HS, 100 sequences, 2 seeds"
    assert style.data_of([maps, maps | {"seeds": [0]}]).endswith(", 1 to 2 seeds")
    assert style.data_of([metrics("m6", "casme3_3")]) == "Data: CAS(ME)³, 100 sequences"


def linear(colour):
    values = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def test_the_first_colours_are_told_apart_without_green_cones():
    seen = [np.cbrt(np.clip(DEUTAN @ linear(colour), 0, 1)) for colour in style.COLOURS[:4]]
    least = min(np.linalg.norm(one - other) for one, other in combinations(seen, 2))
    red, green = (np.cbrt(np.clip(DEUTAN @ linear(colour), 0, 1)) for colour in ("#d62728", "#2ca02c"))
    assert least > 1.2 * np.linalg.norm(red - green)  # a pair that is known to be taken for one
