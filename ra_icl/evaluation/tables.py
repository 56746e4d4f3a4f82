"""The paper's Tables 1-3, ablations and the table of own data: published rows first, then those of this run."""

from collections.abc import Mapping, Sequence
from math import isnan, nan
from pathlib import Path
from typing import Any

import pandas as pd

from ra_icl.datasets.index import TITLES
from ra_icl.datasets.protocols import CROSS
from ra_icl.datasets.protocols import PROTOCOLS as KNOWN
from ra_icl.errors import InputError
from ra_icl.evaluation.audit_table import audit_notes
from ra_icl.evaluation.caveats import DATA, FOLDS_CAVEATS, all_caveats
from ra_icl.evaluation.choice import selection_notes
from ra_icl.evaluation.data_notes import data_notes
from ra_icl.evaluation.explain import warning_notes
from ra_icl.evaluation.intervals import Subjects, interval_notes, score_intervals, subjects_of
from ra_icl.evaluation.power_table import power_notes
from ra_icl.evaluation.records import read_metrics
from ra_icl.evaluation.table_formats import EMPTY, STRONG, Table, write_formats
from ra_icl.evaluation.table_layouts import (
    CAPTIONS,
    LEADING,
    MARKS,
    NUMERIC,
    PROTOCOLS,
    QUOTES,
    SCORES,
    columns,
    score_columns,
    spread,
    subsets,
)

SYNTHETIC_NOTE = (
    "Scores on synthetic twins show that every step of the workflow works; they say nothing about recognising people"
)
# What the rows of Table "cross" were trained on.
TRAINED = {name: TITLES[KNOWN[name].train] if KNOWN[name].train else "the others" for name in CROSS}
CROSS_NOTE = (
    "Each score is of networks that have not seen the dataset: they were trained on the others, or on the one named"
)
PEERS_NOTE = (
    "All rows of this run use the same data and folds; each method reads the frames that its sampling selects. "
    "Published rows come from other data, flow, folds and ways to pick the epoch, so a method's measured row differs "
    "from its published one in all of these"
)
MARKS_NOTE = "→X: replaced by X. Apex*: a single onset/apex instance. Apex: sampling in a neighbourhood of the apex"
DECIMALS = 8  # of the CSV: with fewer, the two that are printed could be rounded twice


def write_table(
    number: str,
    metrics_jsons: Sequence[Path],
    published: Path,
    out_stem: Path,
    methods: Mapping[str, Mapping[str, Any]],
) -> None:
    """Write table `number`, a key of CAPTIONS, as `out_stem`.csv, .md, .tex, .notes.md and .html.

    See `build_table` for `methods` and for what raises InputError.
    """
    metrics = [read_metrics(path) for path in metrics_jsons]
    quoted = read_published(published)
    audited = audit_notes(Path(published).with_name("published_audit.csv"), QUOTES.get(number, number), quoted)
    audited += power_notes(Path(published).with_name("published_power.csv"), number)
    write_formats(build_table(number, metrics, quoted, methods, audited), out_stem)


def build_table(
    number: str,
    metrics: Sequence[Mapping[str, Any]],
    published: pd.DataFrame,
    methods: Mapping[str, Mapping[str, Any]],
    audited: Sequence[str] = (),
) -> Table:
    """Table `number` from metrics (as `metrics.aggregate` writes them) and the published rows.

    `methods` maps a method's name to its "title" and, for Table 3, its marks "mir", "irc" and "mrd"
    (text, or true/false for ✓/×); measured rows keep its order. Published rows come first, and are
    left out altogether if the data are synthetic or the folds are not LOSO; so are notes about them, `audited`.
    Raises InputError for another number, no metrics, metrics of another protocol, a method without
    a title, and rows that differ in their data source, datasets or folds.
    """
    if number not in CAPTIONS:
        raise InputError(f"table {number}: no such table; choose one of {', '.join(CAPTIONS)}")
    _require_metrics(number, metrics, methods)
    _require_comparable(number, metrics)
    said = tuple(all_caveats(metrics))
    order = list(methods)
    rank = PROTOCOLS[number].index
    ordered = sorted(metrics, key=lambda m: (rank(m["protocol"]), order.index(m["method"])))
    comparable = DATA[metrics[0]["data_source"]] == "real" and metrics[0]["protocol"] not in FOLDS_CAVEATS
    quoted = published[published["table"] == QUOTES.get(number, number)] if comparable else published[:0]
    rows = [_published_row(number, row) for row in quoted.to_dict("records")]
    subjects = [subjects_of(content) if "subjects" in content else None for content in ordered]
    rows += [_measured_row(number, *row, methods[row[0]["method"]]) for row in zip(ordered, subjects, strict=True)]
    data = pd.DataFrame(rows, columns=columns(number)).astype({"classes": "Int64", "seeds": "Int64"})
    notes = (*_notes(number, ordered, methods), *interval_notes([m["method"] for m in ordered], subjects))
    notes += tuple(audited) if len(quoted) else ()
    printed, strong = _printed(number, data), _strong(number, data)
    return Table(number, CAPTIONS[number], said, notes, data, printed, strong, record(ordered))


def read_published(path: Path) -> pd.DataFrame:
    """Read the published rows: text columns, lines that open with # skipped, empty cells as "".

    Raises InputError, naming the file and the row, for missing columns and cells that are no numbers.
    """
    try:
        rows = pd.read_csv(path, comment="#", dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read as CSV ({reason}); restore it") from error
    for column in ("table", "method", "source", "classes", *NUMERIC, *MARKS):
        if column not in rows:
            raise InputError(f"{path}: column {column} is missing; add it or restore the file")
    for column in ("classes", *NUMERIC):
        bad = pd.to_numeric(rows[column].replace("", "0"), errors="coerce").isna()
        if bad.any():
            row = rows[bad].iloc[0]
            where = f"{path}: table {row['table']}, {row['method']}, {column}"
            raise InputError(f"{where}: {row[column]!r} is not a number; correct it or leave it empty")
    return rows


def percent(mean: float, std: float, low: float = nan, high: float = nan) -> str:
    """A score in % as "mean", "mean ± std", each with " [low, high]" if there is an interval; "–" for no mean (NaN).

    Two decimals, the interval's ends one.
    """
    if isnan(mean):
        return EMPTY
    deviation = "" if isnan(std) else f" ± {std:.2f}"
    return f"{mean:.2f}{deviation}{bracketed(low, high)}"


def bracketed(low: float, high: float) -> str:
    """The ends of an interval as " [low, high]", one decimal; "" if there is none (NaN)."""
    return "" if isnan(low) else f" [{low:.1f}, {high:.1f}]".replace("-", "−")


def signed(points: float, low: float, high: float) -> str:
    """A difference of scores in points as "+1.25 [0.3, 2.2]", the interval left out if there is none (NaN)."""
    return f"{points:+.2f}".replace("-", "−") + bracketed(low, high)


def _published_row(number: str, row: Mapping[str, str]) -> dict[str, Any]:
    """A row of published.csv as a row of the CSV."""
    ids = {"data": "published", "method": row["method"], "title": row["method"], "source": row["source"]}
    ids |= {
        "protocol": f"casme3_{row['classes']}" if row["table"] == "2" else "cde",
        "classes": float(row["classes"] or nan),
    }
    marks = {name: row[name] or None for name in MARKS}
    return ids | marks | {column: float(row[column] or nan) for column in score_columns(number)}


def _measured_row(
    number: str, metrics: Mapping[str, Any], subjects: Subjects | None, method: Mapping[str, Any]
) -> dict[str, Any]:
    """Metrics as a row of the CSV: means, deviations and intervals in %."""
    ids = {key: metrics[key] for key in ("method", "protocol", "selection")}
    ids |= {"data": DATA[metrics["data_source"]], "title": method["title"], "source": "this run"}
    row = ids | {"classes": len(metrics["classes"]), "seeds": len(metrics["seeds"])}
    row |= {name: _mark(method.get(name)) for name in MARKS} | {"trained": TRAINED.get(metrics["protocol"])}
    for subset in metrics["scores"].keys() & subsets(number).keys():
        for score in SCORES:
            found = metrics["scores"][subset][score]
            row[f"{subset}_{score}"] = round(100 * found["mean"], DECIMALS)
            row[f"{subset}_{score}_std"] = nan if found["std"] is None else round(100 * found["std"], DECIMALS)
    for score, ends in (score_intervals(subjects) if subjects else {}).items():
        named = zip(("low", "high"), ends, strict=True)
        row |= {f"composite_{score}_{end}": round(100 * value, DECIMALS) for end, value in named}
    return row


def _mark(mark: Any) -> str | None:
    if isinstance(mark, bool):
        return "✓" if mark else "×"
    return mark or None


def _printed(number: str, data: pd.DataFrame) -> pd.DataFrame:
    """The cells for people, all text."""
    leading = {
        title: data[column].map(str, na_action="ignore").fillna(EMPTY) for column, title in LEADING[number].items()
    }
    scores = {
        title: [percent(*values) for values in data[[column, *spread(column)]].itertuples(index=False)]
        for column, title in score_columns(number).items()
    }
    return pd.DataFrame(leading | scores)


def _strong(number: str, data: pd.DataFrame) -> pd.DataFrame:
    """Which printed value is the best or second best of its column, among rows of the same data and protocol.

    Values that print alike rank alike; the lowest is never emphasised, so that a lone value stays plain.
    """
    strong = pd.DataFrame("", data.index, [*LEADING[number].values(), *score_columns(number).values()])
    for column, title in score_columns(number).items():
        printed = data[column].map("{:.2f}".format).astype(float)  # not round(2), which takes 80.035 up
        for _, values in printed.groupby([data["data"], data["protocol"].fillna("")]):
            ranked = sorted(values.dropna().unique(), reverse=True)
            named = dict(zip(ranked[:-1], STRONG, strict=False))
            strong.loc[values.index, title] = [named.get(value, "") for value in values]
    return strong


def record(metrics: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A row for each metrics JSON's content with what it was computed from, all text: `Table.record`."""
    rows = pd.DataFrame([_record_row(content) for content in metrics])
    return rows.fillna(EMPTY)  # methods may be fed other channels


def _record_row(metrics: Mapping[str, Any]) -> dict[str, str]:
    datasets = [TITLES[name] for name in TITLES if name in metrics["scores"]]
    return {
        "Method": metrics["method"],
        "Protocol": metrics["protocol"],
        "Datasets": ", ".join(datasets),
        "Sequences": str(metrics["scores"]["composite"]["samples"]),
        "Seeds": ", ".join(map(str, metrics["seeds"])),
        "Selection": metrics["selection"],
        "Flow": metrics["data"]["flow"][:12],
        **{channel: _range(values) for channel, values in metrics["data"]["values"].items()},
    }


def _range(values: Mapping[str, float]) -> str:
    return f"{values['mean']:.3g} ({values['min']:.3g} to {values['max']:.3g})"


def _require_metrics(
    number: str, metrics: Sequence[Mapping[str, Any]], methods: Mapping[str, Mapping[str, Any]]
) -> None:
    """Raise InputError unless there are metrics, all of the table's protocols and of named methods."""
    if not metrics:
        raise InputError(f"table {number}: no metrics given; name at least one metrics JSON")
    for content in metrics:
        method, protocol = content["method"], content["protocol"]
        if protocol not in PROTOCOLS[number]:
            choices = ", ".join(PROTOCOLS[number])
            raise InputError(f"table {number}: {method} has protocol {protocol}; it takes {choices}")
        if "title" not in methods.get(method, {}):
            raise InputError(f"table {number}: method {method} has no title; set methods.{method}.title")


def _require_comparable(number: str, metrics: Sequence[Mapping[str, Any]]) -> None:
    """Raise InputError if rows differ in their data source, their folds or the datasets that they were scored on."""
    sources = sorted({content["data_source"] for content in metrics})
    if len(sources) > 1:
        raise InputError(f"table {number}: rows from {' and '.join(sources)} in one table; make one of each")
    first = metrics[0]
    for content in metrics:
        if FOLDS_CAVEATS.get(content["protocol"]) != FOLDS_CAVEATS.get(first["protocol"]):
            protocols = f"{content['protocol']} and {first['protocol']}"
            raise InputError(f"table {number}: rows of {protocols} in one table; make one of each")
        if number != "cross" and set(content["scores"]) != set(first["scores"]):
            datasets = [", ".join(sorted(set(one["scores"]) - {"composite"})) for one in (content, first)]
            where = f"table {number}: {content['method']} was scored on {datasets[0]}"
            raise InputError(f"{where}, {first['method']} on {datasets[1]}; score both on the same datasets")


def _notes(number: str, metrics: Sequence[Mapping[str, Any]], methods: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The notes below the table: the data, leaking rows, the ablation's marks, what ± means, choices, bad trainings."""
    notes = [SYNTHETIC_NOTE] if metrics[0]["data_source"] == "twins" else []
    notes += data_notes(metrics, methods)
    leaking = [methods[content["method"]]["title"] for content in metrics if content["selection"] != "last"]
    if 0 < len(leaking) < len(metrics):
        named = ", ".join(leaking)
        notes.append(f"Best epoch chosen on the held-out subject: {named}; in the other rows of this run, the last")
    if "mir" in LEADING[number]:
        notes.append(MARKS_NOTE)
    if number in QUOTES:
        notes.append(PEERS_NOTE)
    if number == "cross":
        notes.append(CROSS_NOTE)
    several = sorted({len(content["seeds"]) for content in metrics} - {1})
    if several:
        notes.append(f"±: sample standard deviation over {' or '.join(map(str, several))} seeds")
    return [*notes, *selection_notes(metrics), *warning_notes(metrics)]
