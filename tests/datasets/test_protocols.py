"""Label maps, exclusions, counts and folds of the protocols."""

import pandas as pd
import pytest

from ra_icl.datasets.counts import check_counts, counted
from ra_icl.datasets.index import index_frame
from ra_icl.datasets.paper import EXPECTED, EXPECTED_SUBJECTS
from ra_icl.datasets.protocols import (
    CROSS,
    PROTOCOLS,
    UNUSED_CASME2,
    exclude,
    fold_of,
    folds,
    select,
)
from ra_icl.errors import InputError


def rows(dataset, *entries):
    """An index from (subject, sequence, emotion[, onset, apex, offset])."""
    filled = [(*entry, 10, 15, 20)[:6] if len(entry) == 3 else entry for entry in entries]
    return index_frame(
        {
            "dataset": dataset,
            "subject": subject,
            "sequence": sequence,
            "frames": f"{subject}/{sequence}",
            "onset": onset,
            "apex": apex,
            "offset": offset,
            "fps": 200,
            "emotion": emotion,
        }
        for subject, sequence, emotion, onset, apex, offset in filled
    )


SAME = ("groups5", *CROSS)  # the sequences of cde in other folds


def test_expected_counts_add_up_to_the_tables_totals():
    totals = {
        (protocol, dataset): sum(counts.values())
        for protocol, datasets in EXPECTED.items()
        for dataset, counts in datasets.items()
    }
    assert totals == {
        ("cde", "casme2"): 145,
        ("cde", "samm"): 133,
        ("cde", "smic"): 164,
        **{(name, "casme2"): 145 for name in SAME},
        **{(name, "samm"): 133 for name in SAME},
        **{(name, "smic"): 164 for name in SAME},
        ("casme3_3", "casme3"): 670,
        ("casme3_4", "casme3"): 801,
        ("casme3_7", "casme3"): 801,
    }
    cde = EXPECTED["cde"].values()
    assert [sum(counts[name] for counts in cde) for name in PROTOCOLS["cde"].classes] == [250, 109, 83]
    assert sum(EXPECTED_SUBJECTS["cde"].values()) == 68


@pytest.mark.parametrize("protocol", [p for p in PROTOCOLS.values() if p.name != "own"], ids=lambda p: p.name)
def test_labels_expected_counts_and_classes_name_the_same_classes(protocol):
    for dataset in protocol.datasets:
        assert set(protocol.labels[dataset].values()) == set(protocol.classes)
        assert set(EXPECTED[protocol.name][dataset]) == set(protocol.classes)


def test_cde_maps_the_emotions_of_all_three_datasets():
    index = pd.concat(
        [
            rows("casme2", ("sub01", "a", "repression"), ("sub01", "b", "happiness")),
            rows("samm", ("006", "c", "contempt"), ("006", "d", "sadness"), ("006", "e", "surprise")),
            rows("smic", ("s01", "f", "positive"), ("s01", "g", "negative")),
            rows("casme3", ("spNO.1", "h", "fear")),
        ],
        ignore_index=True,
    )
    selected = select(index, PROTOCOLS["cde"])
    assert dict(zip(selected["sequence"], selected["label"], strict=True)) == {
        **{"a": 0, "b": 1},
        **{"c": 0, "d": 0, "e": 2},
        **{"f": 1, "g": 0},
    }
    assert selected["label"].dtype == "int64"
    assert list(selected.index) == list(range(7))


def test_casme3_protocols_differ_in_classes_alone():
    index = rows(
        "casme3",
        *[
            ("spNO.1", f"a_{i}", emotion)
            for i, emotion in enumerate(["happy", "surprise", "sad", "disgust", "fear", "anger", "others"])
        ],
    )
    assert list(select(index, PROTOCOLS["casme3_3"])["label"]) == [1, 2, 0, 0, 0, 0]
    assert list(select(index, PROTOCOLS["casme3_4"])["label"]) == [1, 2, 0, 0, 0, 0, 3]
    assert list(select(index, PROTOCOLS["casme3_7"])["label"]) == [0, 1, 2, 3, 4, 5, 6]
    spelled_out = rows("casme3", ("spNO.1", "a_1", "happiness"), ("spNO.1", "a_2", "sadness"))
    assert list(select(spelled_out, PROTOCOLS["casme3_7"])["label"]) == [0, 2]


def test_exclude_drops_what_no_protocol_uses_and_keeps_the_row_labels():
    index = rows(
        "casme2",
        ("sub01", "EP01_01", "others"),
        ("sub01", "EP01_02", "sadness"),
        ("sub01", "EP01_03", "fear"),
        ("sub04", "EP12_01f", "disgust"),
        ("sub05", "EP12_01f", "disgust"),
    )
    assert list(exclude(index).index) == [4]
    assert len(exclude(rows("samm", ("006", "a", "other"), ("006", "b", "fear")))) == 1
    assert len(UNUSED_CASME2) == 5


def test_casme3_rule_is_onset_before_apex_up_to_offset():
    index = rows(
        "casme3",
        ("spNO.1", "a_10", "fear", 10, 20, 20),
        ("spNO.1", "b_10", "fear", 10, 10, 20),
        ("spNO.1", "c_10", "fear", 10, 21, 20),
        ("spNO.1", "d_10", "fear", 10, 5, 1),
        ("spNO.1", "e_10", "fear", 10, None, 20),
    )
    assert list(exclude(index)["sequence"]) == ["a_10"]
    # elsewhere an apex on the onset is no reason to drop a row
    assert len(exclude(rows("samm", ("006", "a", "fear", 10, 10, 20)))) == 1


def test_unknown_emotion_stops_and_names_the_sequence():
    with pytest.raises(InputError, match=r"samm 006/006_1_2: emotion 'joy' is not known"):
        select(rows("samm", ("006", "006_1_2", "joy")), PROTOCOLS["cde"])


def test_an_empty_selection_keeps_the_label_column():
    selected = select(rows("casme3", ("spNO.1", "a_1", "fear")), PROTOCOLS["cde"])
    assert len(selected) == 0
    assert selected["label"].dtype == "int64"
    for protocol in PROTOCOLS.values():
        assert folds(selected, protocol) == []


def small_selection():
    return select(
        rows("smic", ("s01", "a", "negative"), ("s01", "b", "positive"), ("s02", "c", "negative")),
        PROTOCOLS["cde"],
    )


def test_matching_counts_pass():
    expected = {"cde": {"smic": {"negative": 2, "positive": 1, "surprise": 0}}}
    subjects = {"cde": {"smic": 2}}
    assert check_counts(small_selection(), PROTOCOLS["cde"], "error", expected, subjects) == []


def test_count_mismatch_lists_every_difference_and_the_key():
    expected = {"cde": {"smic": {"negative": 2, "positive": 3, "surprise": 1}}}
    with pytest.raises(InputError) as error:
        check_counts(small_selection(), PROTOCOLS["cde"], "error", expected, {"cde": {"smic": 4}})
    message = str(error.value)
    assert "\n" not in message
    for part in (
        "smic positive 1 instead of 3",
        "smic surprise 0 instead of 1",
        "smic subjects 2 instead of 4",
        "data.count_mismatch: warning",
    ):
        assert part in message
    assert "negative" not in message


def test_count_mismatch_can_be_a_warning(caplog):
    (difference,) = check_counts(small_selection(), PROTOCOLS["cde"], "warning")
    assert difference.startswith("cde: the data differ from the paper's counts: smic negative 2 instead of 70, smic ")
    assert (difference.severity, difference.kind) == ("warning", "counts")
    assert difference.endswith("; check the dataset's edition, unless this is meant")  # the key is set already
    assert caplog.messages == [difference]


def test_counts_are_compared_dataset_by_dataset():
    cde = PROTOCOLS["cde"]
    with pytest.raises(InputError) as error:
        check_counts(small_selection(), cde, datasets=cde.datasets)
    found = [fault.what.partition("counts: ")[2].split()[0] for fault in error.value.faults]
    assert found == ["casme2", "samm", "smic"]
    with pytest.raises(InputError) as error:  # those that are there
        check_counts(small_selection(), cde)
    (fault,) = error.value.faults
    assert "smic subjects 2 instead of 16" in fault
    assert check_counts(small_selection().head(0), cde) == []


def test_a_count_fault_says_that_smics_crops_lack_a_clip():
    selected = small_selection()
    selected["frames"] = "SMIC_all_cropped/HS/" + selected["frames"]
    with pytest.raises(InputError, match=r"lack s18_sur_03: set data\.count_mismatch: warning, or use SMIC_all_raw/HS"):
        check_counts(selected, PROTOCOLS["cde"])


def test_folds_are_one_a_subject_by_dataset_then_number():
    index = pd.concat(
        [
            rows("smic", ("s11", "a", "negative"), ("s02", "b", "negative"), ("s02", "c", "positive")),
            rows("casme2", ("sub02", "d", "disgust"), ("sub01", "e", "disgust")),
        ],
        ignore_index=True,
    )
    assert folds(index, PROTOCOLS["cde"]) == ["casme2-sub01", "casme2-sub02", "smic-s02", "smic-s11"]
    casme3 = rows("casme3", ("spNO.10", "a_1", "fear"), ("spNO.9", "a_1", "fear"))
    assert folds(casme3, PROTOCOLS["casme3_7"]) == ["casme3-spNO.9", "casme3-spNO.10"]
    assert list(fold_of(index, PROTOCOLS["cde"]))[:3] == ["smic-s11", "smic-s02", "smic-s02"]


GROUPS = ["group1", "group2", "group3", "group4", "group5"]
COUNTS = {"casme2": 24, "samm": 28, "smic": 16}  # subjects of CDE


def sequences_of(**counts):
    """CDE sequences: for each dataset the number of sequences of its subjects s1, s2, .."""
    emotions = {"casme2": "disgust", "samm": "fear", "smic": "negative"}
    parts = [
        rows(
            dataset,
            *[(f"s{n}", f"q{n}_{i}", emotions[dataset]) for n, size in enumerate(sizes, 1) for i in range(size)],
        )
        for dataset, sizes in counts.items()
    ]
    return select(pd.concat(parts, ignore_index=True), PROTOCOLS["groups5"])


def subjects_of(selected):
    """{group: {(dataset, subject)}}"""
    named = selected.assign(fold=fold_of(selected, PROTOCOLS["groups5"]))
    return {fold: set(zip(part["dataset"], part["subject"], strict=True)) for fold, part in named.groupby("fold")}


@pytest.fixture
def skewed():
    """As many subjects as in CDE, a few of which have most sequences."""
    sizes = {name: [1 + 30 // (1 + (7 * n) % count) for n in range(count)] for name, count in COUNTS.items()}
    return sequences_of(**sizes)


def test_groups_part_the_subjects_of_every_dataset_evenly(skewed):
    groups = subjects_of(skewed)
    assert sorted(groups) == folds(skewed, PROTOCOLS["groups5"]) == GROUPS
    assert sum(map(len, groups.values())) == len(set().union(*groups.values())) == 68  # disjoint by subject
    for dataset, count in COUNTS.items():
        sizes = [sum(name == dataset for name, _ in group) for group in groups.values()]
        assert set(sizes) <= {count // 5, count // 5 + 1}
    sequences = fold_of(skewed, PROTOCOLS["groups5"]).value_counts()
    assert sequences.sum() == len(skewed)
    # Dealt in the order of their numbers alone, one group would hold 2.4 times as many sequences as another.
    assert sequences.max() / sequences.min() < 1.1


def test_groups_are_dealt_by_hand():
    """Largest first: s2 (5), s1 (3), s3 (3), s4 (2), s5 (1); s6 (1) again, to the group with fewest sequences."""
    selected = sequences_of(casme2=[3, 5, 3, 2, 1, 1], smic=[4, 4])
    # The groups then hold 5, 3, 3, 2 and 2 sequences: the next dataset begins at the emptiest.
    assert subjects_of(selected) == {
        "group1": {("casme2", "s2")},
        "group2": {("casme2", "s1")},
        "group3": {("casme2", "s3")},
        "group4": {("casme2", "s4"), ("smic", "s1")},
        "group5": {("casme2", "s5"), ("casme2", "s6"), ("smic", "s2")},
    }


@pytest.mark.parametrize("seed", range(3))
def test_groups_do_not_depend_on_the_order_of_the_rows(skewed, seed):
    shuffled = skewed.sample(frac=1, random_state=seed)
    assert shuffled["sequence"].tolist() != skewed["sequence"].tolist()
    assert subjects_of(shuffled) == subjects_of(skewed)
    labels = fold_of(shuffled, PROTOCOLS["groups5"])
    assert labels.index.equals(shuffled.index)  # row by row
    assert labels.sort_index().tolist() == fold_of(skewed, PROTOCOLS["groups5"]).tolist()


def test_a_group_without_subjects_is_no_fold():
    few = sequences_of(casme2=[2, 1], smic=[1])
    assert folds(few, PROTOCOLS["groups5"]) == ["group1", "group2", "group3"]


def test_across_datasets_every_fold_trains_on_other_datasets_alone():
    rows = [
        {"dataset": dataset, "subject": f"{number:02d}", "sequence": f"{clip}"}
        for dataset, count in (("casme2", 3), ("samm", 2), ("smic", 2))
        for number in range(count)
        for clip in range(number + 1)
    ]
    table = pd.DataFrame(rows)
    protocol = PROTOCOLS["cross"]
    assert folds(table, protocol) == ["casme2", "samm", "smic"]
    assert fold_of(table, protocol).tolist() == table["dataset"].tolist()
    for trained in ("casme2", "samm", "smic"):
        protocol = PROTOCOLS[f"cross_{trained}"]
        assert folds(table, protocol) == ["others"]
        held_out = fold_of(table, protocol) == "others"
        assert held_out.tolist() == (table["dataset"] != trained).tolist()
        assert protocol.tested == tuple(name for name in ("casme2", "samm", "smic") if name != trained)


def test_counts_of_the_same_sequences_are_compared_once():
    assert counted(["casme3_3", "cde", "cross", "cross_samm", "own"]) == ["casme3_3", "cde", "own"]
    assert counted(["cross", "cross_smic"]) == ["cross"]
