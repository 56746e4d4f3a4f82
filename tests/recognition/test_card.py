"""The score that a model quotes, and the card: against known answers."""

import json
import re
from dataclasses import replace

import pytest

from ra_icl.errors import InputError
from ra_icl.recognition.card import card, write_card
from ra_icl.recognition.output import notice
from ra_icl.recognition.score import held_out_score, options_of_folds, percent, recalls

# 12 people of two datasets, each with a clip of every class; the first four people's third clip is taken for the first.
RIGHT, WRONG = [[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 1, 0], [1, 0, 0]]
ALL = [[12, 0, 0], [0, 12, 0], [4, 0, 8]]


def metrics(**changes):
    people = [("casme2" if n < 6 else "samm", f"s{n}", WRONG if n < 4 else RIGHT) for n in range(12)]
    score = {"mean": 0.875, "std": None, "per_seed": [0.875]}
    values = {"uf1": score, "uar": {**score, "mean": 8 / 9}, "accuracy": score, "samples": 36}
    content = {
        **{"method": "m6", "protocol": "cde", "selection": "last", "data_source": "datasets", "folds": 12},
        **{"classes": ["negative", "positive", "surprise"], "seeds": [0], "data": {"flow": "abc"}},
        "scores": {"composite": values, "casme2": {**values, "samples": 18}, "samm": {**values, "samples": 18}},
        "confusion": {"composite": ALL},
        "subjects": [{"dataset": d, "subject": s, "confusion": [matrix]} for d, s, matrix in people],
    }
    return content | changes


@pytest.fixture
def score(tmp_path):
    (tmp_path / "m6.json").write_text(json.dumps(metrics()))
    return held_out_score(tmp_path / "m6.json", "cde", "m6", "datasets")


def test_the_score_is_that_of_the_metrics_with_its_interval(score):
    assert score["scores"]["samm"] == {"uf1": 0.875, "uar": 8 / 9, "accuracy": 0.875, "samples": 18}
    assert (score["subjects"], score["folds"], score["seeds"], score["flow"]) == (12, 12, 1, "abc")
    low, high = score["intervals"]["uar"]
    assert low < 8 / 9 < high <= 1
    assert score["caveats"] == ["CDE without SMIC-HS"]
    assert recalls(score) == [1, 1, 8 / 12]
    assert recalls({"confusion": [[0, 0], [1, 3]]}) == [None, 0.75]
    assert percent(score, "uar") == f"88.9 % [{100 * low:.1f}, {100 * high:.1f}]"
    assert percent(score | {"intervals": {}}, "uar") == "88.9 %"


@pytest.mark.parametrize(("key", "value"), [("method", "m2"), ("protocol", "casme3_3"), ("data_source", "twins")])
def test_another_methods_metrics_are_refused(tmp_path, key, value):
    (tmp_path / "m6.json").write_text(json.dumps(metrics(**{key: value})))
    with pytest.raises(InputError, match=f"m6.json: is of {key} {value}, not"):
        held_out_score(tmp_path / "m6.json", "cde", "m6", "datasets")


def test_the_options_must_be_those_of_some_candidates_folds(tmp_path):
    """Those of the others were chosen for other groups."""
    path = tmp_path / "m6.json"
    one, two = ({"training": {"learning_rate": rate, "device": "cuda"}} for rate in (0.1, 0.2))
    path.write_text(json.dumps(metrics(options={"slow": one, "fast": two})))
    held_out_score(path, "cde", "m6", "datasets", {"training": {"learning_rate": 0.2, "device": "cpu"}})
    with pytest.raises(InputError, match=r"m6\.json: its folds had another training\.learning_rate than"):
        held_out_score(path, "cde", "m6", "datasets", {"training": {"learning_rate": 0.3, "device": "cpu"}})
    with pytest.raises(InputError, match="options of the folds: holds those of slow, fast; give the model's"):
        options_of_folds(path)
    path.write_text(json.dumps(metrics()))
    with pytest.raises(InputError, match="options of the folds: holds none; give the model's"):
        options_of_folds(path)


def real(world, score, **training):
    """The model as if it had been trained on real clips, with the score above."""
    about = world.model().about
    training = about["training"] | {"data_source": "datasets"} | training
    return replace(world.model(), about={**about, "training": training, "score": score})


def test_the_card_tells_data_score_and_limits(world, score):
    text = card(real(world, score))
    assert "| CASME II | 2        | 6       |" in text.replace("CASME II      ", "CASME II")
    assert re.search(r"\| negative +\| 2 +\| disgust, repression", text)
    assert re.search(
        r"\*\*UF1 87\.5 % \[.*\], UAR 88\.9 % \[.*\]\*\* on people who were held out \(12 folds, 36 clips", text
    )
    assert "Guessing gives a UAR of 33.3 %" in text
    assert "Mind: CDE without SMIC-HS." in text
    assert re.search(r"\| SAMM +\| 18 +\| 87\.5 +\| 88\.9 +\|", text)
    assert re.search(r"\| surprise +\| 4 +\| 0 +\| 8 +\| 67 % +\|", text)
    assert "no lie detector" in text
    assert "volunteers in laboratories" in text
    assert "SYNTHETIC" not in text
    assert "\n\n\n" not in text
    assert len([line for line in text.splitlines() if line.startswith("# ")]) == 1


def test_the_card_says_when_the_scored_folds_had_other_options(world, score):
    model = real(world, score)
    assert "the same method with the same options, trained without" in card(model)
    chosen = replace(model, about=model.about | {"choice": "candidate lr01, which 4 of 5 groups of subjects chose"})
    assert "the same method with options chosen for each group of people on the others (this" in card(chosen)


def test_a_model_of_twins_says_so_loudly_in_card_and_output(world, tmp_path):
    write_card(world.model(), tmp_path / "m6")
    text = (tmp_path / "m6.md").read_text()
    assert "**TRAINED ON SYNTHETIC FACES" in text.split("\n\n")[1]
    assert "synthetic twin of CASME II" in text
    assert "on made-up people who were held out" in text
    first, second, third, _ = notice(world.model())
    assert "TRAINED ON SYNTHETIC FACES" in first
    assert second.startswith("On made-up people")
    assert "no lie detector" in third


def test_the_page_holds_the_card_and_takes_titles_for_text(world, score, tmp_path):
    model = real(world, score)
    write_card(replace(model, about=model.about | {"title": "M6 <b>bold</b>"}), tmp_path / "m6")
    text = (tmp_path / "m6.html").read_text(encoding="utf-8")
    assert "<h1>Model card: M6 &lt;b&gt;bold&lt;/b&gt;, protocol cde</h1>" in text
    assert text.count("<b>") == 0
    assert re.findall("<h2>(.*)</h2>", text) == ["Trained on", "How good it is", "Limits", "Details"]
    cells = [re.findall("<t[hd].*?>(.*)</t[hd]>", row) for row in text.split("<tr>")]
    assert ["surprise", "4", "0", "8", "67 %"] in cells
    assert "<strong>This is no lie detector." in text


def test_the_output_of_a_real_model_tells_its_people_and_score(world, score):
    first, second, *_ = notice(real(world, score))
    assert first == "M6 (ours): trained on 6 clips of 2 people (CASME II)."
    assert re.match(
        r"On people that its method had not seen: UF1 87\.5 % \[.*\], UAR .* \(guessing: 33\.3 %\); CDE", second
    )


def test_classes_of_own_data_are_not_said_to_be_annotations(world, score):
    """Their index has the classes in place of the emotions."""
    model = real(world, score)
    found = next(iter(model.about["data"].values()))
    own = replace(model, about=model.about | {"data": {"own": found}})
    header = next(line for line in card(own).splitlines() if line.startswith("| class"))
    assert [cell.strip() for cell in header.strip("|").split("|")] == ["class", "clips"]
    assert "annotated as" in card(model)


def test_own_data_have_limits_of_their_own(world, score):
    text = card(real(world, score, protocol="own"))
    assert "It has seen your clips and no others" in text
    assert "volunteers" not in text
