"""The audit of printed scores: made-up rows that can and cannot exist, and what it finds in the paper's tables."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from metrics_content import metrics

from ra_icl import files
from ra_icl.datasets.paper import EXPECTED
from ra_icl.errors import FaultKind, InputError
from ra_icl.evaluation import attainable
from ra_icl.evaluation.audit import (
    IMPOSSIBLE,
    NOT_DECIDED,
    NOT_IN_ONE_RUN,
    OFF_BY_ONE,
    POSSIBLE,
    Printed,
    audit_row,
    worst,
)
from ra_icl.evaluation.audit_table import audit_notes, build_audit, read_scores, write_audit
from ra_icl.evaluation.metrics import uar, uf1
from ra_icl.evaluation.tables import read_published, write_table

CONFIG = Path(__file__).parents[2] / "config"
TINY = {"a": (2, 1, 1), "b": (1, 2, 1)}
CDE = {name: tuple(counts.values()) for name, counts in EXPECTED["cde"].items()}


def printed(scores, counts=CDE, unit=0.01):
    return Printed("1", "made up", "nobody", counts, scores, unit)


def every_matrix(counts):
    rows = [[row for row in product(range(n + 1), repeat=len(counts)) if sum(row) == n] for n in counts]
    return np.array(list(product(*rows)))


def scores_of(matrices, digits=2):
    """What a table prints of confusion matrices {dataset: (C, C)}."""
    subsets = {"composite": sum(matrices.values())} | matrices
    return {name: (round(100 * uf1(m), digits), round(100 * uar(m), digits)) for name, m in subsets.items()}


def test_verdicts_agree_with_every_confusion_matrix_of_a_few_sequences():
    """Rows are those of some matrices, half of them with a composite of others."""
    matrices = {name: every_matrix(counts) for name, counts in TINY.items()}
    both = {"composite": matrices["a"][:, None] + matrices["b"], **matrices}
    exact = {name: np.stack([100 * uf1(m), 100 * uar(m)], -1) for name, m in both.items()}
    rng = np.random.default_rng(3)
    verdicts = []
    for _ in range(40):
        a, b = rng.integers(0, [len(matrices["a"]), len(matrices["b"])])
        place = (a, b) if rng.random() < 0.5 else rng.integers(0, exact["composite"].shape[:2])
        scores = {"composite": exact["composite"][tuple(place)], "a": exact["a"][a], "b": exact["b"][b]}
        scores = {name: tuple(value.round(1).tolist()) for name, value in scores.items()}
        findings = audit_row(printed(scores, TINY, 0.1))
        verdicts.append(worst(findings))
        for verdict, off in ((POSSIBLE, 0.05), (OFF_BY_ONE, 0.1)):
            near = {name: (abs(exact[name] - scores[name]) <= off + 1e-7).all(-1) for name in scores}
            possible = (near["composite"] & near["a"][:, None] & near["b"]).any()
            assert possible == (verdicts[-1] in (POSSIBLE, verdict)), scores
        if verdicts[-1] == POSSIBLE:
            shown = scores_of(findings[-1].matrices)
            assert all(shown[name] == pytest.approx(scores[name], abs=0.06) for name in scores)
    assert {POSSIBLE, NOT_IN_ONE_RUN, IMPOSSIBLE} <= set(verdicts)


def make(seed):
    """Matrices of the size of CDE."""
    rng = np.random.default_rng(seed)
    shares = [[0.8, 0.15, 0.05], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8]]
    return {
        name: np.array([rng.multinomial(n, share) for n, share in zip(counts, shares, strict=True)])
        for name, counts in CDE.items()
    }


@pytest.fixture
def made():
    return make(4)


def test_scores_that_were_computed_are_possible(made):
    findings = audit_row(printed(scores_of(made)))
    assert [finding.check for finding in findings] == ["casme2", "samm", "smic", "uar", "all"]
    assert {finding.verdict for finding in findings} == {POSSIBLE}
    assert scores_of(findings[-1].matrices) == scores_of(made)


def test_digits_that_were_cut_may_be_off_by_one(made):
    scores = {name: tuple(np.floor(100 * v) / 100 for v in pair) for name, pair in scores_of(made, 6).items()}
    assert worst(audit_row(printed(scores))) in (POSSIBLE, OFF_BY_ONE)


def test_a_search_that_left_some_out_accuses_nobody_of_cut_digits(made, monkeypatch):
    """Matrices of exactly the printed scores may be among those that were not tried."""
    hits = [np.diag(matrix) for matrix in made.values()]
    rows = [np.concatenate([of, matrix.sum(0) - of]) for of, matrix in zip(hits, made.values(), strict=True)]
    monkeypatch.setattr(attainable, "WORK", 0)
    monkeypatch.setattr(attainable, "together", lambda *given: None if given[-1] < 0.00008 else rows)
    found = audit_row(printed(scores_of(made)))[-1]
    assert (found.check, found.verdict) == ("all", NOT_DECIDED)


def test_a_composite_beyond_what_the_datasets_allow_is_impossible(made):
    scores = scores_of(made)
    scores["composite"] = (scores["composite"][0], max(recall for _, recall in scores.values()) + 6)
    findings = audit_row(printed(scores))
    assert [f.check for f in findings if f.verdict == IMPOSSIBLE] == ["uar"]
    assert findings[-1].check == "uar"


def test_a_composite_between_the_steps_is_not_in_one_run(made):
    scores = scores_of(made)
    f1, recall = scores["composite"]
    verdicts = {worst(audit_row(printed(scores | {"composite": (f1, round(recall + 0.07 * n, 2))}))) for n in (1, 2, 3)}
    assert NOT_IN_ONE_RUN in verdicts
    assert IMPOSSIBLE not in verdicts


def test_a_mean_over_runs_is_never_called_impossible(made):
    """Scores of two runs, averaged, as papers print them."""
    one, two = scores_of(made, 6), scores_of(make(5), 6)
    mean = {name: tuple(round((x + y) / 2, 2) for x, y in zip(one[name], two[name], strict=True)) for name in one}
    assert worst(audit_row(printed(mean))) != IMPOSSIBLE


def test_what_is_not_printed_is_not_asked(made):
    scores = scores_of(made)
    recalls = {name: (None, recall) for name, (_, recall) in scores.items()}
    assert [f.check for f in audit_row(printed(recalls))] == ["uar"]
    f1s = {name: (f1, None) for name, (f1, _) in scores.items()}
    assert [(f.check, f.verdict) for f in audit_row(printed(f1s))] == [("all", POSSIBLE)]
    wrong = f1s | {"composite": (99.0, None)}
    assert [(f.check, f.verdict) for f in audit_row(printed(wrong))] == [("all", NOT_DECIDED)]
    assert worst(audit_row(printed(dict.fromkeys(scores, (None, None))))) == NOT_DECIDED


ROWS = {"LBP-TOP": ("smic", IMPOSSIBLE), "MFDAN": ("uar", IMPOSSIBLE), "CSARNet": ("uar", NOT_IN_ONE_RUN)}


def test_the_papers_tables():
    """Two quoted rows cannot exist; the paper's own can, to the last digit."""
    rows = read_scores(CONFIG / "published.csv", {})
    assert len(rows) == 39
    quoted = {row.method: audit_row(row) for row in rows if row.table == "1" and row.method in ROWS}
    assert {m: [(f.check, f.verdict) for f in found][-1] for m, found in quoted.items() if m != "LBP-TOP"} == {
        method: expected for method, expected in ROWS.items() if method != "LBP-TOP"
    }
    assert [(f.check, f.verdict) for f in quoted["LBP-TOP"] if f.verdict == IMPOSSIBLE] == [ROWS["LBP-TOP"]]
    assert quoted["MFDAN"][-1].why == "composite UAR is 86.88, but those of the datasets allow from 75.66 to 86.49"
    for row in rows:
        if row.table == "3" and row.method in ("M1", "M6 (ours)"):
            assert worst(audit_row(row)) == POSSIBLE


def test_what_is_kept_in_the_config_is_about_the_numbers_there():
    """config/published_audit.csv has an answer for each row, and none is out of date."""
    kept = pd.read_csv(CONFIG / "published_audit.csv", dtype=str, keep_default_na=False)
    published = read_published(CONFIG / "published.csv")
    assert set(zip(kept["table"], kept["method"], kept["classes"], strict=True)) == set(
        zip(published["table"], published["method"], published["classes"], strict=True)
    )
    table = build_audit([row for row in read_scores(CONFIG / "published.csv", {}) if row.method in ROWS])
    again = kept[kept["method"].isin(ROWS)].reset_index(drop=True)
    pd.testing.assert_frame_equal(table.data, again)
    notes = audit_notes(CONFIG / "published_audit.csv", "1", published)
    assert len(notes) == 3
    assert notes[0].startswith("Cannot exist: LBP-TOP, SMIC-HS: UF1 is 20.00, but UAR 52.80 allows UF1 from 25.90")
    assert notes[1].startswith("Cannot exist: MFDAN, composite UAR is 86.88")
    assert "Bi-WOOF, STSTNet, RCN, SLSTT, CSARNet" in notes[2]
    assert audit_notes(CONFIG / "published_audit.csv", "3", published) == []


def test_notes_forget_numbers_that_have_changed(tmp_path):
    published = read_published(CONFIG / "published.csv")
    published.loc[published["method"] == "MFDAN", "composite_uar"] = "84.00"
    assert not any("MFDAN" in note for note in audit_notes(CONFIG / "published_audit.csv", "1", published))
    assert audit_notes(tmp_path / "none.csv", "1", published) == []


def test_a_published_row_whose_class_counts_are_not_known_has_no_verdict():
    published = read_published(CONFIG / "published.csv")
    before = audit_notes(CONFIG / "published_audit.csv", "1", published)
    scores = [f"{name}_{score}" for name in ("casme2", "samm", "smic") for score in ("uf1", "uar")]
    published.loc[published["method"] == "HTNet", ["classes", *scores]] = ""
    assert audit_notes(CONFIG / "published_audit.csv", "1", published) == before


def test_notes_of_table_2_name_the_rows_that_cannot_exist(tmp_path):
    published = read_published(CONFIG / "published.csv")
    rows = (published["table"] == "2") & (published["method"] == "STSTNet")
    published.loc[rows & (published["classes"] == "3"), ["composite_uf1", "composite_uar"]] = ("17.95", "87.92")
    published[rows].to_csv(tmp_path / "two.csv", index=False)
    write_audit(tmp_path / "two.csv", tmp_path / "audited", {})
    (note,) = audit_notes(tmp_path / "audited.csv", "2", published)
    assert note.startswith("Cannot exist: STSTNet (3 classes), UF1 is 17.95, but UAR 87.92 allows UF1 from ")
    assert audit_notes(tmp_path / "audited.csv", "2", read_published(CONFIG / "published.csv")) == []


def test_a_table_of_ones_own(tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_text(
        "# from a paper\nmethod,composite_uf1,composite_uar,a_uf1,a_uar,b_uf1,b_uar\n"
        "all right,100,100,100,100,100,100\ntoo good,100.0,100.0,55.56,66.67,100,100.0\n"
    )
    write_audit(path, tmp_path / "audit", TINY)
    found = pd.read_csv(tmp_path / "audit.csv")
    assert found.loc[found["method"] == "all right", "verdict"].unique().tolist() == [POSSIBLE]
    assert IMPOSSIBLE in found.loc[found["method"] == "too good", "verdict"].tolist()
    assert "a 2/1/1, b 1/2/1" in (tmp_path / "audit.notes.md").read_text()
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"--out \S*theirs: would overwrite \S*theirs\.csv; name another"):
        write_audit(path, tmp_path / "theirs", TINY)
    assert path.read_bytes() == before


def test_a_table_without_composite_scores(tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_text("method,a_uf1,a_uar\nA,100,100\nB,90,100\n")
    write_audit(path, tmp_path / "audit", {"a": [2, 1, 1]})
    found = pd.read_csv(tmp_path / "audit.csv").groupby("method")["verdict"].unique().map(list).to_dict()
    assert found == {"A": [POSSIBLE], "B": [IMPOSSIBLE]}
    with pytest.raises(InputError, match="column composite_uf1 is missing; add it"):
        read_scores(path, {"c": [1, 1, 1]})


HEAD = "method,composite_uf1,composite_uar,casme2_uf1,classes\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", r"theirs.csv: cannot be read as CSV"),
        ("method,uf1\nA,3\n", r"theirs.csv: column composite_uf1 is missing; add it"),
        (HEAD + 'A,3,4,"95,32",\n', r"row 1, A: casme2_uf1 is '95,32', not a score from 0 to 100"),
        (HEAD + "A,0.84,0.9,0.5,\n", r"row 1, A: no score is above 1, the highest is 0.9; give scores in %"),
        (HEAD + "A,84,90,,5\n", r"row 1, A: how many sequences .* classes is '5'"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path, text, fault):
    path = tmp_path / "theirs.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=fault):
        read_scores(path, {})


@pytest.mark.parametrize(
    ("counts", "fault"),
    [
        ({"A": [40, 30], "b": [20, 20]}, r"--counts: \S*theirs.csv has neither A_uf1 nor A_uar; spell the dataset as"),
        (
            {"a": [40, 0, 30]},
            r"--counts: a is \[40, 0, 30\], not how many sequences each class has; give whole",
        ),
        ({"a": [4.5, 3]}, r"a is \[4.5, 3\], not how many"),
        ({"a": [-3, 5]}, r"a is \[-3, 5\], not how many"),
        ({"a": []}, r"a is \[\], not how many"),
        ({"a": "x"}, "a is x, not how many"),
        ({"a": [40, 30], "b": [10, 20, 30]}, r"b is \[10, 20, 30\], not how many"),
    ],
)
def test_counts_that_do_not_fit_are_said(tmp_path, counts, fault):
    path = tmp_path / "theirs.csv"
    path.write_text("method,composite_uf1,composite_uar,a_uf1,a_uar,b_uf1,b_uar\nA,90,90,20,52.8,95,95\n")
    with pytest.raises(InputError, match=fault):
        read_scores(path, counts)


def test_counts_may_hold_datasets_whose_scores_were_not_printed(tmp_path):
    path = tmp_path / "theirs.csv"
    for columns, values in (
        ("composite_uf1,composite_uar", "90,90"),
        ("composite_uf1,composite_uar,a_uf1", "90,90,80"),
    ):
        path.write_text(f"method,{columns}\nA,{values}\n")
        (row,) = read_scores(path, TINY)
        assert set(row.counts) == set(TINY)


def test_every_kind_has_an_example():
    kinds = [kind for name, kind in FaultKind.all.items() if name.startswith("audit-")]
    assert len(kinds) == 7
    assert all("{" not in kind.shown() for kind in kinds)


def test_the_last_digit_of_a_row(tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_text(HEAD + "A,84.50,90.00,70.10,\nB,84.5,90.25,70.10,\nC,84,90,70,\n")
    assert [row.unit for row in read_scores(path, {})] == [0.1, 0.01, 1.0]


@pytest.mark.parametrize(("source", "said"), [("public_flow", True), ("twins", False)])
def test_table_1_says_what_was_found_where_it_quotes(tmp_path, source, said):
    files.write_json(tmp_path / "m6.json", metrics("m6", source=source))
    write_table("1", [tmp_path / "m6.json"], CONFIG / "published.csv", tmp_path / "table1", {"m6": {"title": "M6"}})
    assert ("Cannot exist: MFDAN, composite UAR is 86.88" in (tmp_path / "table1.notes.md").read_text()) == said


def test_rows_that_were_changed_are_refused():
    """Each row of Table 3 with its composite moved by up to a point: few matrices have the digits printed."""
    rng = np.random.default_rng(6)
    verdicts = []
    for row in read_scores(CONFIG / "published.csv", {}):
        if row.table == "3":
            moved = tuple(round(score + rng.uniform(-1, 1), 2) for score in row.scores["composite"])
            verdicts.append(worst(audit_row(replace(row, scores={**row.scores, "composite": moved}))))
    assert verdicts.count(NOT_IN_ONE_RUN) >= 9
