"""The table of attention in numbers: where methods look, and how steadily."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path
from typing import Any

import pandas as pd

from ra_icl.attention.measuring import IDENTITY, MEASURES, TRUTH
from ra_icl.errors import InputError
from ra_icl.evaluation.caveats import DATA, caveats
from ra_icl.evaluation.intervals import LEAST_SUBJECTS, mean_interval
from ra_icl.evaluation.table_formats import EMPTY, Table, write_formats
from ra_icl.evaluation.tables import SYNTHETIC_NOTE
from ra_icl.files import RERUN

SUBJECT = ["dataset", "subject"]


@dataclass(frozen=True)
class Column:
    """A measure as people read it: its title, its unit ("%" or "" for a correlation), and what the notes say of it."""

    title: str
    unit: str
    note: str


COLUMNS = {
    "inside": Column(
        "Inside, %",
        "%",
        "Inside: share of the class activation map, of what speaks for the class, in the regions that the expression "
        "moves; a map without any preference has their area",
    ),
    "area": Column("Area, %", "%", ""),
    "hit": Column("Hits, %", "%", "Hits: how often the map's largest value lies in these regions (the pointing game)"),
    "second": Column(
        "Second, %",
        "%",
        "Second: share of the map in the weak second region; a map without any preference has that region's area",
    ),
    "second_area": Column("Second area, %", "%", ""),
    "agreement": Column(
        "Agreement",
        "",
        "Agreement: mean correlation of the maps of two instances of one sequence; other sequences: of the middle "
        "instances of two sequences of one fold, for the same class",
    ),
    "others": Column("Other sequences", "", ""),
    "mirror": Column(
        "Mirror", "", "Mirror: correlation of an instance's map with that of its mirror image, turned back"
    ),
    "query_subjects": Column(
        "Query: subjects",
        "",
        "Query: correlation of the heatmap of a query in a held-out face with the mean heatmap of the same query over "
        "training subjects of its dataset (subjects), of the other datasets (datasets), and of other queries (other)",
    ),
    "query_datasets": Column("Query: datasets", "", ""),
    "query_other": Column("Query: other", "", ""),
    "query_found": Column(
        "Query: found, %",
        "%",
        "Found: how many queries resemble their own mean heatmap more than that of any other (1 / N by chance); 100 in "
        "a fixed partition of the picture",
    ),
}


def write_attention(measures: Sequence[Path], out_stem: Path, methods: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the table of attention as `out_stem`.csv, .md, .tex, .notes.md and .html; see `build_attention`.

    measures: CSV files of `measuring.write_measures`.
    """
    write_formats(build_attention([_read(path) for path in measures], methods), out_stem)


def build_attention(measures: Sequence[pd.DataFrame], methods: Mapping[str, Mapping[str, Any]]) -> Table:
    """A row per method: each measure's mean over subjects, deviation over folds and interval over subjects.

    measures: of one method under one protocol each; rows keep their order. methods: {method: its "title"}. A subject's
    value is the mean over its sequences, of all seeds; a fold's, of one seed, the mean over its subjects.
    Raises InputError if their data come from different sources.
    """
    sources = sorted({str(source) for rows in measures for source in rows["data_source"].unique()})
    if len(sources) != 1:
        raise InputError(f"attention: rows from {' and '.join(sources)} in one table; make one of each")
    data = pd.DataFrame([_row(found, methods) for found in measures])
    said = dict.fromkeys(caveat for found in measures for caveat in _caveats(found))
    protocols = ", ".join(dict.fromkeys(data["protocol"]))
    caption = f"Attention on held-out sequences, protocol {protocols}"
    return Table("attention", caption, tuple(said), _notes(data, sources[0]), data, _printed(data))


def _read(path: Path) -> pd.DataFrame:
    try:
        rows = pd.read_csv(path, dtype={"subject": str, "sequence": str}, keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as CSV ({' '.join(str(error).split())}); run again") from error
    missing = [name for name in (*IDENTITY, *MEASURES) if name not in rows]
    if missing or rows.empty:
        what = f"has no column {missing[0]}" if missing else "holds no rows"
        raise InputError(f"{path}: {what}; {RERUN}")
    return rows


def _caveats(rows: pd.DataFrame) -> list[str]:
    first = rows.iloc[0]
    facts = {key: first[key] for key in ("data_source", "protocol", "selection")}
    return caveats(facts | {"scores": set(rows["dataset"])})


def _row(rows: pd.DataFrame, methods: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A row of the CSV; shares in %, correlations as they are."""
    first, people = rows.iloc[0], rows[SUBJECT].drop_duplicates()
    title = methods.get(first["method"], {}).get("title", first["method"])
    row = {"data": DATA[first["data_source"]], "protocol": first["protocol"], "method": first["method"], "title": title}
    row |= {"sequences": len(rows.drop_duplicates([*SUBJECT, "sequence"])), "subjects": len(people)}
    row |= {"folds": rows["fold"].nunique(), "seeds": rows["seed"].nunique()}
    for name, column in COLUMNS.items():
        scale = 100 if column.unit else 1
        values = (mean_of(rows, name), deviation_of(rows, name), *interval_of(rows, name))
        for suffix, value in zip(("", "_std", "_low", "_high"), values, strict=True):
            row[f"{name}{suffix}"] = round(scale * value, 4)
    return row


def mean_of(rows: pd.DataFrame, name: str) -> float:
    """The mean over subjects of a measure, of the means over each subject's rows; NaN if no row has it."""
    return float(rows.groupby(SUBJECT)[name].mean().mean())


def deviation_of(rows: pd.DataFrame, name: str) -> float:
    """The sample standard deviation over folds, those of every seed, of the mean over each fold's subjects."""
    of_subjects = rows.groupby(["seed", "fold", *SUBJECT])[name].mean()
    return float(of_subjects.groupby(["seed", "fold"]).mean().std())


def interval_of(rows: pd.DataFrame, name: str) -> tuple[float, float]:
    """The 95 % interval of `mean_of`; NaN with fewer than 10 subjects that have the measure."""
    of_subjects = rows.groupby(SUBJECT)[name].mean().dropna()
    found = mean_interval(list(of_subjects.index.get_level_values("dataset")), of_subjects.to_numpy())
    return found or (nan, nan)


def _printed(data: pd.DataFrame) -> pd.DataFrame:
    """The cells for people, all text; measures that no method has are left out."""
    several = data["protocol"].nunique() > 1
    cells = {"Method": data["title"], "Data": data["data"]} | ({"Protocol": data["protocol"]} if several else {})
    for name in _measured(data):
        spread = [] if name.endswith("area") else ["_std", "_low", "_high"]
        found = data[[name, *(f"{name}{suffix}" for suffix in spread)]].itertuples(index=False)
        cells[COLUMNS[name].title] = [_cell(COLUMNS[name].unit, *values) for values in found]
    return pd.DataFrame(cells)


def _measured(data: pd.DataFrame) -> list[str]:
    """The measures that some method has."""
    return [name for name in COLUMNS if data[name].notna().any()]


def _cell(unit: str, mean: float, std: float = nan, low: float = nan, high: float = nan) -> str:
    if isnan(mean):
        return EMPTY
    digits = 1 if unit else 2
    deviation = "" if isnan(std) else f" ± {std:.{digits}f}"
    ends = "" if isnan(low) else f" [{low:.{digits}f}, {high:.{digits}f}]"
    return f"{mean:.{digits}f}{deviation}{ends}".replace("-", "−")


def _notes(data: pd.DataFrame, source: str) -> tuple[str, ...]:
    """What was measured and how it is summarised, of the columns that are there."""
    measured = _measured(data)
    seen = [COLUMNS[name].note for name in measured if COLUMNS[name].note]
    enough = (data["subjects"] >= LEAST_SUBJECTS).any()
    counted = sorted(set(data["subjects"]))
    drawn = f"[ ]: 95 % bootstrap interval over subjects, {' or '.join(map(str, counted))} of them"
    return (
        *([SYNTHETIC_NOTE] if source == "twins" else []),
        "Each network sees what its fold held out; maps are of the class that it predicts from the middle instance",
        *seen,
        *(
            []
            if any(name in measured for name in TRUTH)
            else ["Where the face really moves is not known of these data"]
        ),
        "Means over subjects; ±: standard deviation over folds",
        drawn if enough else f"No interval: at least {LEAST_SUBJECTS} subjects are needed",
    )
