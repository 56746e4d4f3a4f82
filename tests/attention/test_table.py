"""The table of attention: means over subjects, deviations over folds, intervals over subjects, and what it says."""

import numpy as np
import pandas as pd
import pytest

from ra_icl.attention.measuring import IDENTITY, MEASURES
from ra_icl.attention.table import build_attention, write_attention
from ra_icl.errors import InputError
from ra_icl.evaluation.intervals import mean_interval

DATASETS = {"casme2": 6, "samm": 4, "smic": 2}


def measures(method, seeds=(0,), source="twins", people=DATASETS, **changes):
    """Two or three sequences a subject, every value another one; those of `changes` are columns."""
    rng = np.random.default_rng(len(method))
    rows = []
    for seed in seeds:
        for dataset, count in people.items():
            for person in range(count):
                for clip in range(2 + person % 2):
                    row = {"data_source": source, "protocol": "cde", "method": method, "selection": "last"}
                    row |= {"seed": seed, "fold": f"{dataset}-{person:03d}", "dataset": dataset}
                    row |= {"subject": f"{person:03d}", "sequence": f"{clip}", "label": 0, "looked_at": 1}
                    rows.append(row | dict(zip(MEASURES, rng.random(len(MEASURES)), strict=True)))
    return pd.DataFrame(rows, columns=[*IDENTITY, "looked_at", *MEASURES]).assign(**changes)


def by_hand(rows, name):
    """{(seed, fold): mean over the fold's subjects}, {subject: mean over its rows}, by loops."""
    folds, people = {}, {}
    for row in rows.to_dict("records"):
        folds.setdefault((row["seed"], row["fold"]), {}).setdefault(row["subject"], []).append(row[name])
        people.setdefault((row["dataset"], row["subject"]), []).append(row[name])
    means = {fold: np.mean([np.mean(values) for values in found.values()]) for fold, found in folds.items()}
    return means, {person: np.mean(values) for person, values in people.items()}


def test_a_cell_is_mean_over_subjects_deviation_over_folds_and_interval():
    rows = measures("m6", seeds=(0, 1))
    table = build_attention([rows], {"m6": {"title": "M6 (ours)"}})
    for name, scale in (("inside", 100), ("agreement", 1), ("query_found", 100)):
        folds, people = by_hand(rows, name)
        found = table.data.iloc[0]
        assert len(people) == found["subjects"] == 12
        assert len(folds) == 24
        assert found[name] == pytest.approx(scale * np.mean(list(people.values())), abs=1e-3)
        assert found[f"{name}_std"] == pytest.approx(scale * np.std(list(folds.values()), ddof=1), abs=1e-3)
        low, high = mean_interval([dataset for dataset, _ in people], np.array(list(people.values())))
        assert (found[f"{name}_low"], found[f"{name}_high"]) == pytest.approx((scale * low, scale * high), abs=1e-3)
    found = table.data.iloc[0]
    shown = f"{found['inside']:.1f} ± {found['inside_std']:.1f} [{found['inside_low']:.1f}, {found['inside_high']:.1f}]"
    assert table.printed["Inside, %"].tolist() == [shown]
    assert table.printed["Area, %"].tolist() == [f"{found['area']:.1f}"]
    assert table.printed["Method"].tolist() == ["M6 (ours)"]


def test_rows_are_read_back_and_say_that_they_are_synthetic(tmp_path):
    names = {"m2": {"query_subjects": np.nan, "query_datasets": np.nan}, "m5": {}}
    for name, changes in names.items():
        measures(name, **changes).to_csv(tmp_path / f"{name}.csv", index=False)
    write_attention([tmp_path / "m2.csv", tmp_path / "m5.csv"], tmp_path / "attention", {})
    found = pd.read_csv(tmp_path / "attention.csv")
    assert found["method"].tolist() == ["m2", "m5"]
    assert set(found["data"]) == {"synthetic"}
    expected = measures("m5").groupby(["dataset", "subject"])["query_subjects"].mean().mean()
    assert found["query_subjects"].tolist() == pytest.approx([np.nan, expected], abs=1e-3, nan_ok=True)
    text = (tmp_path / "attention.md").read_text(encoding="utf-8")
    assert text.splitlines()[0].endswith("SYNTHETIC TWINS: not comparable with any published number**")
    assert "not known of these data" not in text
    row = next(line for line in text.splitlines() if line.startswith("| m2"))
    assert row.split("|")[-5].strip() == "–"
    assert "SYNTHETIC TWINS" in (tmp_path / "attention.tex").read_text(encoding="utf-8")


def test_real_data_have_no_columns_of_truth_and_few_people_no_interval():
    unknown = dict.fromkeys(("inside", "area", "hit", "second", "second_area"), np.nan)
    table = build_attention([measures("m6", source="datasets", people={"casme2": 3}, **unknown)], {})
    assert list(table.printed)[:4] == ["Method", "Data", "Agreement", "Other sequences"]
    assert table.data["data"].tolist() == ["real"]
    assert table.title == "Attention on held-out sequences, protocol cde; CDE without SAMM and SMIC-HS"
    assert "Where the face really moves is not known of these data" in table.notes
    assert any(note == "No interval: at least 10 subjects are needed" for note in table.notes)
    assert "[" not in table.printed["Agreement"][0]


def test_what_does_not_fit_is_one_line(tmp_path):
    with pytest.raises(InputError, match="rows from datasets and twins in one table; make one of each"):
        build_attention([measures("m2"), measures("m6", source="datasets")], {})
    measures("m6").drop(columns="mirror").to_csv(tmp_path / "old.csv", index=False)
    with pytest.raises(InputError, match=r"old\.csv: has no column mirror; if a run wrote it, delete it and run again"):
        write_attention([tmp_path / "old.csv"], tmp_path / "attention", {})
    measures("m6")[:0].to_csv(tmp_path / "none.csv", index=False)
    with pytest.raises(InputError, match=r"none\.csv: holds no rows"):
        write_attention([tmp_path / "none.csv"], tmp_path / "attention", {})
