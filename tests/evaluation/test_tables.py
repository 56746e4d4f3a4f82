"""Tables 1-3: which rows, which numbers, which marks and titles; what is refused."""

from pathlib import Path

import pandas as pd
import pytest
from metrics_content import deviation, metrics, people, percents

from ra_icl import files
from ra_icl.datasets.protocols import PROTOCOLS
from ra_icl.errors import InputError
from ra_icl.evaluation import data_notes, table_layouts, tables
from ra_icl.evaluation.intervals import score_intervals, subjects_of
from ra_icl.evaluation.records import read_metrics

PUBLISHED = Path(__file__).parents[2] / "config" / "published.csv"
METHODS = {
    "m1": {"title": "M1", "mir": "→Apex*", "irc": False, "mrd": "×"},
    "m6": {"title": "M6 (ours)", "mir": True, "irc": "✓", "mrd": "✓"},
}
SUBSETS = ("composite", "casme2", "samm", "smic")
SMIC_NOTE = (
    "Without an annotated apex: 164 sequences of SMIC-HS; methods that need an apex take the midpoint of these "
    "sequences"
)


def build(number, *contents):
    return tables.build_table(number, contents, tables.read_published(PUBLISHED), METHODS)


def test_published_numbers_are_those_of_the_paper():
    rows = tables.read_published(PUBLISHED)
    assert rows["table"].value_counts().to_dict() == {"1": 12, "2": 17, "3": 10}
    ours = [row for row in rows.to_dict("records") if row["method"] in ("Ra-ICL (ours)", "M6 (ours)")]
    paper = ["88.05", "89.11", "96.20", "96.20", "86.68", "88.85", "81.79", "82.74"]
    assert [ours[0][key] for key in table_layouts.NUMERIC] == paper == [ours[-1][key] for key in table_layouts.NUMERIC]
    casme3 = {row["classes"]: (row["composite_uf1"], row["composite_uar"]) for row in ours[1:-1]}
    assert casme3 == {"3": ("75.85", "74.54"), "4": ("61.03", "58.48"), "7": ("44.32", "43.17")}
    best = rows[(rows["table"] == "1") & (rows["method"] == "HTNet")].iloc[0]
    assert best["source"] == "Wang et al. (2024)"
    assert best["composite_uf1"] == "86.03"


def test_the_data_hold_every_number_where_its_column_says():
    table = build("1", metrics("m6", seeds=(0, 1)), metrics("m1"))
    several, one = table.data.iloc[-1], table.data.iloc[-2]
    for number, subset in enumerate(SUBSETS):
        for score, (column, mean) in enumerate(zip(("uf1", "uar"), percents("m6", number), strict=True)):
            assert several[f"{subset}_{column}"] == pytest.approx(mean)
            assert several[f"{subset}_{column}_std"] == pytest.approx(deviation(number, score))
            assert one[f"{subset}_{column}"] == pytest.approx(percents("m1", number)[score])
            assert pd.isna(one[f"{subset}_{column}_std"])
    assert several[table_layouts.IDS].tolist() == ["real", "m6", "M6 (ours)", "this run", "cde", 3, 2, "last"]
    htnet = table.data[table.data["method"] == "HTNet"].iloc[0]
    assert htnet[["samm_uf1", "samm_uar"]].tolist() == [81.31, 81.24]
    assert htnet[["data", "title", "source", "protocol", "classes"]].tolist() == [
        *("published", "HTNet", "Wang et al. (2024)", "cde", 3)
    ]


def test_the_csv_opens_without_options_and_its_numbers_are_numbers(tmp_path):
    for method in ("m1", "m6"):
        files.write_json(tmp_path / f"{method}.json", metrics(method, seeds=(0, 1)))
    stem = tmp_path / "table3"
    tables.write_table("3", [tmp_path / "m6.json", tmp_path / "m1.json"], PUBLISHED, stem, METHODS)
    read = pd.read_csv(tmp_path / "table3.csv")
    built = build("3", metrics("m1", seeds=(0, 1)), metrics("m6", seeds=(0, 1))).data
    assert list(read.columns) == list(built.columns)
    assert read["data"].tolist() == ["published"] * 10 + ["real"] * 2
    assert read["method"].tolist()[-2:] == ["m1", "m6"]  # the order of the config
    assert read["mir"].tolist()[-2:] == ["→Apex*", "✓"]
    for column in read.columns[read.columns.str.contains("uf1|uar")]:
        assert read[column].dtype == float
        assert read[column].tolist() == pytest.approx(built[column].tolist(), nan_ok=True)
    assert sorted(path.name for path in tmp_path.glob("table3*")) == [
        *("table3.csv", "table3.html", "table3.md", "table3.notes.md", "table3.tex")
    ]


def test_people_read_the_same_numbers_published_rows_first():
    printed = build("1", metrics("m6", seeds=(0, 1)), metrics("m1", datasets=None)).printed
    assert list(printed["Data"]) == ["published"] * 12 + ["real"] * 2
    assert printed.iloc[-1].tolist() == [
        *("M6 (ours)", "this run", "real", "61.25 ± 0.11", "62.25 ± 0.21", "63.25 ± 0.31", "64.25 ± 0.41"),
        *("65.25 ± 0.51", "66.25 ± 0.61", "67.25 ± 0.71", "68.25 ± 0.81"),
    ]
    assert printed.iloc[8].tolist()[:5] == ["HTNet", "Wang et al. (2024)", "published", "86.03", "84.75"]


def test_table_2_gives_a_row_per_number_of_classes():
    table = build("2", *(metrics("m6", f"casme3_{classes}") for classes in (7, 3, 4)))
    measured = table.printed[table.printed["Data"] == "real"]
    assert list(measured["Classes"]) == ["3", "4", "7"]
    published = table.data[table.data["data"] == "published"]
    assert published["classes"].tolist() == [3] * 7 + [4] * 5 + [7] * 5
    assert published["protocol"].tolist()[6:8] == ["casme3_3", "casme3_4"]
    assert list(table.printed.columns) == ["Method", "Source", "Data", "Classes", "UF1", "UAR"]


def test_table_3_shows_the_marks_and_the_midpoint_note():
    table = build("3", metrics("m1"), metrics("m6"))
    marks = table.printed[["Method", "MIR", "IRC", "MRD"]].to_numpy().tolist()
    assert marks[0] == ["M1", "→Apex*", "×", "×"] == marks[10]
    assert marks[5] == ["M6 (ours)", "✓", "✓", "✓"] == marks[11]
    assert table.notes[0] == SMIC_NOTE
    assert "→X" in table.notes[2]


@pytest.mark.parametrize(
    "contents",
    [
        [metrics("m6")],  # samples around no apex
        [metrics("m1", source="public_flow")],  # the apex is that of the maps' authors
        [metrics("m1", datasets=("casme2", "samm"))],
    ],
)
def test_no_midpoint_is_noted_where_none_was_taken(contents):
    assert "midpoint" not in "".join(build("3", *contents).notes)


def test_notes_warn_of_trainings_gone_wrong_in_half_of_the_folds():
    m6 = metrics("m6", seeds=(0, 1)) | {"folds": 34, "warnings": {"outweighed_by_acl": 55, "underfit": 33}}
    m1 = metrics("m1", seeds=(0, 1)) | {"folds": 34, "warnings": {"overfit": 34}}
    assert [note for note in build("3", m1, m6).notes if "explain" in note] == [
        "m1: in 34 of 68 folds the network has memorised its training sequences (ra-icl explain)",
        "m6: in 55 of 68 folds L_acl outweighs classification (ra-icl explain)",
    ]
    assert "explain" not in "".join(build("3", metrics("m1"), metrics("m6")).notes)


def test_midpoints_are_counted_for_each_dataset():
    m1 = metrics("m1") | {"without_apex": {"smic": 164, "casme2": 21}}
    expected = "Without an annotated apex: 21 sequences of CASME II, 164 sequences of SMIC-HS; methods that"
    assert build("3", m1, metrics("m6")).notes[0].startswith(expected)
    one = metrics("m1", "own") | {"without_apex": {"own": 1}}
    assert build("own", one).notes[0].startswith("Without an annotated apex: 1 sequence of Own data; methods that")
    older = {key: value for key, value in one.items() if key != "without_apex"}
    assert build("own", older).notes[0] == data_notes.UNCOUNTED_NOTE


def test_what_the_config_leaves_out_is_counted_in_every_table():
    counts = {"casme2": 1, "smic": 2}
    expected = "Left out by data.exclude: 1 sequence of CASME II, 2 sequences of SMIC-HS"
    for number in ("1", "3", "3_controls", "ensembles"):
        assert expected in build(number, metrics("m6") | {"left_out": counts}).notes
    # An `others` is left out of two of the three protocols.
    third, whole = (metrics("m6", f"casme3_{n}") | {"left_out": {"casme3": n}} for n in (3, 7))
    assert "Left out by data.exclude: 7 sequences of CAS(ME)³" in build("2", third, whole).notes
    assert "Left out" not in "".join(build("1", metrics("m6")).notes)


@pytest.mark.parametrize("number", ["1", "2", "3"])
def test_synthetic_tables_hold_no_published_number(tmp_path, number):
    protocol = "casme3_7" if number == "2" else "cde"
    files.write_json(tmp_path / "m6.json", metrics("m6", protocol, source="twins"))
    tables.write_table(number, [tmp_path / "m6.json"], PUBLISHED, tmp_path / "table", METHODS)
    for suffix in ("csv", "md", "tex", "notes.md", "html"):
        text = (tmp_path / f"table.{suffix}").read_text()
        assert suffix == "csv" or "SYNTHETIC TWINS: not comparable with any published number" in text
        for number_in_paper in ("88.05", "86.03", "44.32", "HTNet"):
            assert number_in_paper not in text
    assert pd.read_csv(tmp_path / "table.csv")["data"].tolist() == ["synthetic"]


def test_the_title_tells_selection_on_the_held_out_subject_and_public_flow():
    plain = build("1", metrics("m6"))
    assert plain.title == "Table 1. Comparison under the CDE setting, UF1 and UAR in %"
    leaky = build("1", metrics("m1"), metrics("m6", selection="best_on_held_out"))
    assert leaky.title == f"{plain.title}; best epoch chosen on the held-out subject: optimistic"
    named = "Best epoch chosen on the held-out subject: M6 (ours); in the other rows of this run, the last"
    assert named in leaky.notes
    alike = build("1", *(metrics(name, selection="best_on_held_out") for name in ("m1", "m6")))
    assert alike.title == leaky.title
    assert not any("in the other rows" in note for note in (*plain.notes, *alike.notes))
    public = build("1", metrics("m6", source="public_flow"))
    assert public.title == f"{plain.title}; published flow maps"
    assert public.data["data"].value_counts().to_dict() == {"published": 12, "real": 1}


def test_the_title_and_the_record_say_which_datasets_a_run_held():
    table = build("1", metrics("m6", datasets=("casme2", "samm")), metrics("m1", datasets=("casme2", "samm")))
    assert table.title.endswith("; CDE without SMIC-HS")
    assert table.record["Datasets"].tolist() == ["CASME II, SAMM"] * 2
    assert table.printed["SMIC-HS UF1"].tolist()[-2:] == ["–", "–"]
    assert table.data[["smic_uf1", "smic_uar_std"]].iloc[-2:].isna().all(axis=None)
    assert "without" not in build("1", metrics("m6")).title


def test_the_record_says_what_each_row_was_computed_from():
    table = build("1", metrics("m6", seeds=(0, 4)), metrics("m1", selection="best_on_held_out"))
    assert table.record.iloc[1].to_dict() == {
        **{"Method": "m6", "Protocol": "cde", "Datasets": "CASME II, SAMM, SMIC-HS", "Sequences": "100"},
        **{"Seeds": "0, 4", "Selection": "last", "Flow": "0123456789ab"},
        **{"u": "6.5 (-9 to 12)", "v": "7.5 (-8 to 13)", "strain": "8.5 (-7 to 14)"},
    }
    assert table.record.iloc[0]["Selection"] == "best_on_held_out"
    assert table.record.iloc[0]["u"] == "1.5 (-9 to 12)"


@pytest.mark.parametrize("number", ["3", "3_controls"])
def test_groups_are_named_in_the_title_and_stand_beside_no_published_row(number):
    table = build(number, metrics("m1", "groups5"), metrics("m6", "groups5"))
    assert table.title.endswith("under the CDE setting, UF1 and UAR in %; five folds by subject, not LOSO")
    assert table.data["data"].tolist() == ["real", "real"]
    assert table.data["protocol"].tolist() == ["groups5"] * 2
    assert table.notes[0] == SMIC_NOTE


def test_the_controls_have_the_columns_of_table_3_and_no_published_row():
    controls, third = (build(number, metrics("m1"), metrics("m6")) for number in ("3_controls", "3"))
    assert controls.title == "Controls of the ablation of Ra-ICL under the CDE setting, UF1 and UAR in %"
    assert controls.data.equals(third.data.tail(2).reset_index(drop=True))
    assert controls.printed.equals(third.printed.tail(2).reset_index(drop=True))
    assert controls.notes == third.notes


def test_numbers_of_sequences_unlike_the_papers_are_told_of_the_official_datasets():
    def notes(source="datasets", protocol="cde", **samples):
        content = metrics("m6", protocol, source=source)
        for name, count in samples.items():
            content["scores"][name]["samples"] = count
        return data_notes.count_notes([content, content])

    assert notes(casme2=145, samm=133, smic=164) == []
    (note,) = notes(casme2=145, samm=133, smic=163)
    assert note == "Numbers of sequences unlike the paper's: 163 of SMIC-HS (the paper: 164)"
    assert notes(source="twins") == notes(source="public_flow") == []
    assert notes(protocol="casme3_4", casme3=801) == notes(protocol="own") == []


def test_several_seeds_are_explained():
    subjects = people(0.7, seeds=3)
    notes = build("1", metrics("m6", seeds=(0, 1, 2), subjects=subjects)).notes
    assert notes[1] == "±: sample standard deviation over 3 seeds"
    one = build("1", metrics("m6", subjects=people(0.7))).notes
    assert one == (notes[0], *notes[2:])


@pytest.mark.parametrize("number", ["1", "2", "3", "own"])
def test_every_table_of_scores_has_the_interval_of_the_composite(number):
    protocol, counts = {"2": ("casme3_3", {"casme3": 12}), "own": ("own", {"own": 12})}.get(number, ("cde", None))
    classes = 2 if number == "own" else 3
    content = metrics("m6", protocol, seeds=(0, 1), subjects=people(0.7, counts, seeds=2, classes=classes))
    table = build(number, content)
    row = table.data.iloc[-1]
    expected = score_intervals(subjects_of(content))
    for score, (low, high) in expected.items():
        assert row[f"composite_{score}_low"] == pytest.approx(100 * low, abs=1e-3)
        assert row[f"composite_{score}_high"] == pytest.approx(100 * high, abs=1e-3)
    assert [name for name in table.data if name.endswith(("_low", "_high"))] == [
        *("composite_uf1_low", "composite_uf1_high", "composite_uar_low", "composite_uar_high")
    ]
    column = "UF1" if number in ("2", "own") else "Composite UF1"
    low, high = expected["uf1"]
    assert table.printed[column].iloc[-1] == f"61.25 ± 0.11 [{100 * low:.1f}, {100 * high:.1f}]"
    assert "[" not in "".join(table.printed[column].iloc[:-1])  # nobody published what it takes
    (note,) = [note for note in table.notes if "interval" in note]
    assert f"over subjects, {12 if counts else 15} of them, each resampled within its dataset" in note


def test_few_subjects_and_metrics_of_an_older_version_have_no_interval_and_the_notes_say_so():
    few = people(0.7, {"casme2": 4, "samm": 3, "smic": 2})
    table = build("3", metrics("m1"), metrics("m6", subjects=few))
    assert table.data[["composite_uf1_low", "composite_uar_high"]].isna().all(axis=None)
    assert table.printed["Composite UF1"].tolist()[-2:] == ["11.25", "61.25"]
    assert [note for note in table.notes if "nterval" in note] == [
        "No interval for 9 subjects: at least 10 are needed",
        "No interval for m1: an older version wrote the metrics, without results by subject",
    ]


def test_published_metrics_of_an_older_version_still_make_a_table():
    folder = Path(__file__).parents[2] / "results/published/public-flow"
    old = {key: value for key, value in read_metrics(folder / "m1_htnet.json").items() if key != "subjects"}
    table = tables.build_table("1", [old], tables.read_published(PUBLISHED), {"m1_htnet": {"title": "M1"}})
    score = old["scores"]["composite"]["uf1"]
    assert table.printed["Composite UF1"].iloc[-1] == f"{100 * score['mean']:.2f} ± {100 * score['std']:.2f}"
    assert table.data.iloc[-1][["composite_uf1_low", "composite_uf1_high"]].isna().all()


def test_the_best_and_the_second_best_of_each_kind_are_strong():
    strong = build("1", metrics("m1"), metrics("m6")).strong
    published, measured = strong.iloc[:12], strong.iloc[12:]
    assert published.index[published["Composite UF1"] == "textbf"].tolist() == [11]  # Ra-ICL, 88.05
    assert published.index[published["Composite UF1"] == "underline"].tolist() == [8]  # HTNet, 86.03
    assert published.index[published["SAMM UAR"] == "underline"].tolist() == [9]  # MPFNet, 82.60
    assert measured["Composite UF1"].tolist() == ["", "textbf"]  # the worse of two is not called second best
    assert (strong[["Method", "Source", "Data"]] == "").all(axis=None)


def test_strong_values_are_compared_within_their_number_of_classes():
    table = build("2", metrics("m6", "casme3_3"), metrics("m6", "casme3_7"))
    best = table.data[table.strong["UF1"] == "textbf"]
    assert best["composite_uf1"].tolist() == [75.85, 61.03, 44.32]
    assert (table.strong.iloc[-2:] == "").all(axis=None)  # one row of each: nothing to compare


def test_equal_values_are_equally_strong():
    contents = [metrics("m1"), metrics("m6")]
    contents[0]["scores"]["samm"]["uar"] = contents[1]["scores"]["samm"]["uar"]
    strong = build("3", *contents).strong.iloc[-2:]
    assert strong["SAMM UAR"].tolist() == ["", ""]
    assert strong["SAMM UF1"].tolist() == ["", "textbf"]


def test_a_score_is_rounded_once():
    content = metrics("m6")
    content["scores"]["composite"]["uf1"]["mean"] = 0.7676496812939831  # 76.77 if first rounded to 76.765
    table = build("1", content)
    assert table.printed["Composite UF1"].iloc[-1] == "76.76"
    assert table.data["composite_uf1"].iloc[-1] == pytest.approx(76.76496813, abs=1e-8)


def test_values_that_print_alike_are_equally_strong():
    contents = [metrics("m1"), metrics("m6")]
    for content, value in zip(contents, (0.80035, 0.8003), strict=True):
        content["scores"]["samm"]["uar"] = content["scores"]["samm"]["uar"] | {"mean": value}
    table = build("3", *contents)
    assert [cell.split(" ")[0] for cell in table.printed["SAMM UAR"].iloc[-2:]] == ["80.03", "80.03"]
    assert table.strong["SAMM UAR"].iloc[-2:].tolist() == ["", ""]


@pytest.mark.parametrize(
    ("number", "contents", "message"),
    [
        ("4", [metrics()], "table 4: no such table"),
        ("1", [], "table 1: no metrics given"),
        ("1", [metrics("m6", "casme3_3")], "table 1: m6 has protocol casme3_3; it takes cde"),
        ("2", [metrics()], "table 2: m6 has protocol cde"),
        ("1", [metrics("m6", "groups5")], "table 1: m6 has protocol groups5; it takes cde"),
        ("3", [metrics("m1"), metrics("m6", "groups5")], "table 3: rows of groups5 and cde in one table"),
        ("1", [metrics("m11")], "method m11 has no title; set methods.m11.title"),
        ("1", [metrics("m1"), metrics("m6", source="twins")], "rows from datasets and twins in one table"),
        ("1", [metrics("m6", source="photos")], "data_source 'photos' is none of datasets, twins, public_flow"),
        ("1", [metrics("m6", selection="first")], "selection 'first' is none of last, best_on_held_out"),
        (
            *("1", [metrics("m1"), metrics("m6", datasets=("samm",))]),
            "table 1: m6 was scored on samm, m1 on casme2, samm, smic; score both on the same datasets",
        ),
    ],
)
def test_what_no_table_can_hold_is_refused(number, contents, message):
    with pytest.raises(InputError, match=message):
        build(number, *contents)


def test_faulty_files_are_refused_by_name(tmp_path):
    files.write_json(tmp_path / "m6.json", {"method": "m6"})
    with pytest.raises(InputError, match=r"m6\.json: key protocol is missing"):
        read_metrics(tmp_path / "m6.json")
    text = PUBLISHED.read_text()
    (tmp_path / "typo.csv").write_text(text.replace("86.03", "86.O3"))
    with pytest.raises(InputError, match=r"typo\.csv: table 1, HTNet, composite_uf1: '86\.O3'"):
        tables.read_published(tmp_path / "typo.csv")
    (tmp_path / "short.csv").write_text(text.replace("smic_uar,", "", 1))
    with pytest.raises(InputError, match=r"short\.csv: (column smic_uar is missing|cannot be read)"):
        tables.read_published(tmp_path / "short.csv")
    with pytest.raises(InputError, match=r"none\.csv: cannot be read"):
        tables.read_published(tmp_path / "none.csv")


def test_across_datasets_a_row_says_what_was_trained_on():
    """Two methods; a network that was trained on a dataset alone has no score on it."""
    found = [
        metrics(name, protocol, datasets=PROTOCOLS[protocol].tested)
        for protocol in ("cross_samm", "cross", "cross_casme2")
        for name in ("m6", "m1")
    ]
    table = build("cross", *found)
    shown = table.data[["method", "trained", "data"]].to_numpy().tolist()
    trained = ("the others", "CASME II", "SAMM")
    order = [name for name in METHODS if name in ("m1", "m6")]
    assert shown == [[name, one, "real"] for one in trained for name in order]
    assert table.data["samm_uf1"].isna().tolist() == [False] * 4 + [True] * 2
    assert table.data["casme2_uf1"].isna().tolist() == [False] * 2 + [True] * 2 + [False] * 2
    assert "across datasets, not LOSO" in table.title
    assert any("have not seen the dataset" in note for note in table.notes)
    assert list(table.printed)[:3] == ["Method", "Trained on", "Data"]
    # The best of a column is the best among rows with the same training data.
    strong = table.strong["Composite UF1"].tolist()
    assert strong.count("textbf") == 3
