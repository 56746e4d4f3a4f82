"""The table of the audit: a CSV of printed scores, read, asked whether they can exist, and what Table 1 says of it."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pandas as pd

from ra_icl.datasets.index import TITLES
from ra_icl.datasets.paper import EXPECTED
from ra_icl.errors import FaultKind, Faults, InputError
from ra_icl.evaluation.audit import (
    COMPOSITE,
    IMPOSSIBLE,
    NOT_IN_ONE_RUN,
    OFF_BY_ONE,
    POSSIBLE,
    Finding,
    Printed,
    Scores,
    audit_row,
    worst,
)
from ra_icl.evaluation.table_formats import EMPTY, Table, write_formats

NOT_READ = FaultKind(
    "audit-not-read",
    "cannot be read as CSV ({reason})",
    "give a CSV with a column method, and scores in % in composite_uf1, composite_uar and so on",
    {"where": "theirs.csv", "reason": "No columns to parse from file"},
)
NO_COLUMN = FaultKind(
    "audit-column-missing",
    "column {column} is missing",
    "add it; docs/leak.md says which columns there are",
    {"where": "theirs.csv", "column": "method"},
)
NO_SCORE = FaultKind(
    "audit-not-a-score",
    "{column} is {value!r}, not a score from 0 to 100",
    "give it in %, with the digits that were printed, or leave the cell empty",
    {"where": "theirs.csv, row 3, HTNet", "column": "casme2_uf1", "value": "95,32"},
)
FRACTIONS = FaultKind(
    "audit-fractions",
    "no score is above 1, the highest is {highest}",
    "give scores in %, such as 84.53",
    {"where": "theirs.csv, row 3, HTNet", "highest": "0.9532"},
)
NO_COUNTS = FaultKind(
    "audit-counts-unknown",
    "how many sequences each class has is not known: no dataset's scores are given, and classes is {classes!r}",
    "fill the column classes with 3, 4 or 7 for CAS(ME)³, add the scores of casme2, samm and smic, or give --counts",
    {"where": "theirs.csv, row 3, HTNet", "classes": "5"},
)
COUNTS_WRONG = FaultKind(
    "audit-counts",
    "{name} is {counts}, not how many sequences each class has",
    "give whole numbers from 1, two classes or more, the same classes for all datasets",
    {"where": "--counts", "name": "casme2", "counts": "[88.5, 32, 25]"},
)
COUNTS_UNUSED = FaultKind(
    "audit-counts-unused",
    "{path} has neither {name}_uf1 nor {name}_uar",
    "spell the dataset as its columns do",
    {"where": "--counts", "path": "theirs.csv", "name": "CASME2"},
)
NAMES = (COMPOSITE, *EXPECTED["cde"])
IDS = ("data", "table", "method", "source", "classes", "scores")  # the first columns of the CSV
CAPTION = "Can the printed scores exist?"
NOTES = (
    "Possible: there are confusion matrices that have all scores of the row, to the digits printed",
    "Possible if a last digit is off by one: so they are if digits were cut instead of rounded",
    "Not in one run: no confusion matrices have them, even if each last digit is off by one. A mean over several runs, "
    "other class counts or another way of averaging might",
    "Impossible: with these class counts a mean over runs cannot have them either",
)


def write_audit(scores: Path, out_stem: Path, counts: Mapping[str, Sequence[int]]) -> None:
    """Audit every row of a CSV and write `out_stem`.csv, .md, .tex, .notes.md and .html; see `build_audit`.

    Raises InputError if that would overwrite `scores`.
    """
    if Path(f"{out_stem}.csv").resolve() == Path(scores).resolve():
        raise InputError(f"--out {out_stem}: would overwrite {scores}; name another")
    write_formats(build_audit(read_scores(scores, counts)), out_stem)


def read_scores(path: Path, counts: Mapping[str, Sequence[int]]) -> list[Printed]:
    """Read rows of printed scores, in the layout of config/published.csv.

    Needed are a column `method` and one of scores, in %: `composite_uf1`, `composite_uar` and, for a dataset, such as
    `casme2_uf1`; `table`, `source` and `classes` may be there; others are passed over. Lines that open with # are
    skipped. counts: {dataset: sequences of each class} of all rows; if it is empty, those of Tables 4 and 5.
    Raises ManyFaultsError naming each row, cell and entry of `counts` that does not fit.
    """
    try:
        table = pd.read_csv(path, comment="#", dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise NOT_READ.error(path, reason=" ".join(str(error).split())) from error
    known = [f"{name}_{score}" for name in (*NAMES, *counts) for score in ("uf1", "uar")]
    if "method" not in table:
        raise NO_COLUMN.error(path, column="method")
    if not any(column in table for column in known):
        raise NO_COLUMN.error(path, column=known[0])
    _require_counts(counts, table.columns, path)
    rows, faults = [], Faults()
    for number, row in enumerate(table.to_dict("records"), 1):
        with faults.catching():
            rows.append(_read_row(f"{path}, row {number}, {row['method']}", row, counts))
    faults.raise_any(listed="")
    return rows


def _require_counts(counts: Mapping[str, Sequence[int]], columns: Collection[str], path: Path) -> None:
    """Raise ManyFaultsError for counts that are none, and for datasets of several that are spelled unlike a column."""
    faults, classes = Faults(), None
    scored = {column.rpartition("_")[0] for column in columns if column.endswith(("_uf1", "_uar"))} - {COMPOSITE}
    for name, found in counts.items():
        whole = isinstance(found, list | tuple) and all(type(count) is int and count > 0 for count in found)
        classes = classes or (len(found) if whole else None)
        if not whole or len(found) < 2 or len(found) != classes:
            faults.append(COUNTS_WRONG.at("--counts", name=name, counts=found))
        if len(counts) > 1 and name not in scored and scored - set(counts):
            faults.append(COUNTS_UNUSED.at("--counts", name=name, path=path))
    faults.raise_any(listed="")


def _read_row(where: str, row: Mapping[str, str], counts: Mapping[str, Sequence[int]]) -> Printed:
    cells = {column: text.strip() for column, text in row.items() if column.endswith(("_uf1", "_uar"))}
    for column, text in cells.items():
        if text and not _is_score(text):
            raise NO_SCORE.error(where, column=column, value=text)
    given = [text for text in cells.values() if text]
    if given and max(map(float, given)) <= 1:
        raise FRACTIONS.error(where, highest=max(given, key=float))
    counts = counts or _counts_of(where, row, cells)
    scores = {name: _pair_of(cells, name) for name in (COMPOSITE, *counts)}
    if len(counts) == 1:  # the one dataset is all there is
        only = scores.pop(next(iter(counts)))
        scores[COMPOSITE] = tuple(
            ours if ours is not None else theirs for ours, theirs in zip(scores[COMPOSITE], only, strict=True)
        )
    ids = {name: row.get(name, "") for name in ("table", "method", "source")}
    return Printed(**ids, counts=counts, scores=scores, unit=_unit(given))


def _is_score(text: str) -> bool:
    try:
        return 0 <= float(text) <= 100
    except ValueError:
        return False


def _counts_of(where: str, row: Mapping[str, str], cells: Mapping[str, str]) -> dict[str, list[int]]:
    """The class counts of Table 4 if scores of its datasets are printed, else those of Table 5."""
    of_datasets = any(text for column, text in cells.items() if column.rsplit("_", 1)[0] in EXPECTED["cde"])
    protocol = "cde" if of_datasets else f"casme3_{row.get('classes', '').strip()}"
    if protocol not in EXPECTED:
        raise NO_COUNTS.error(where, classes=row.get("classes", ""))
    return {name: list(found.values()) for name, found in EXPECTED[protocol].items()}


def _pair_of(cells: Mapping[str, str], name: str) -> Scores:
    return tuple(float(cells[column]) if cells.get(column) else None for column in (f"{name}_uf1", f"{name}_uar"))


def _unit(given: Sequence[str]) -> float:
    """What the last digit of a row's scores is worth; zeros that end all of them may have been added when quoted."""
    return 10.0 ** -max((len(text.partition(".")[2].rstrip("0")) for text in given), default=0)


def build_audit(rows: Sequence[Printed]) -> Table:
    """The table of the audit: its data have a row per question, what is printed a row per row that was audited."""
    found = [(row, audit_row(row)) for row in rows]
    data = pd.DataFrame([_data(row, finding) for row, findings in found for finding in findings])
    printed = pd.DataFrame(
        [
            {
                "Table": row.table or EMPTY,
                "Method": row.method,
                "Classes": str(len(next(iter(row.counts.values())))),
                "Verdict": worst(findings),
                "Why": "; ".join(_named(f) for f in findings if f.verdict not in (POSSIBLE, OFF_BY_ONE)) or EMPTY,
            }
            for row, findings in found
        ]
    )
    return Table("audit", CAPTION, (), (*NOTES, *_counts_notes(rows)), data, printed)


def _data(row: Printed, finding: Finding) -> dict[str, str]:
    return _ids(row) | {"check": finding.check, "verdict": finding.verdict, "why": finding.why}


def _ids(row: Printed) -> dict[str, str]:
    """What tells a row from others, and whether its scores are still those that were audited."""
    classes, scores = str(len(next(iter(row.counts.values())))), _scores_text(row.scores)
    return dict(zip(IDS, ("published", row.table, row.method, row.source, classes, scores), strict=True))


def _row_named(row) -> str:
    """The method of a row of the CSV; of Table 2, in which it has several rows, with their classes."""
    return f"{row.method} ({row.classes} classes)" if row.table == "2" else row.method


def _scores_text(scores: Mapping[str, Scores]) -> str:
    return " ".join("–" if value is None else f"{value:g}" for pair in scores.values() for value in pair)


def _named(finding: Finding) -> str:
    subject = TITLES.get(finding.check, "")
    return f"{subject}: {finding.why}" if subject else finding.why


def _counts_notes(rows: Sequence[Printed]) -> list[str]:
    """The class counts that the answers rest on."""
    told = dict.fromkeys(
        ", ".join(f"{TITLES.get(name, name)} {'/'.join(map(str, count))}" for name, count in row.counts.items())
        for row in rows
    )
    return [f"Sequences per class: {'; '.join(told)}"] if told else []


def audit_notes(audit: Path, table: str, published: pd.DataFrame) -> list[str]:
    """What the notes of a table of scores say about its published rows, from the CSV that `write_audit` wrote.

    published: the rows as `tables.read_published` returns them. Empty without the CSV; findings about scores that
    have changed since are left out.
    """
    if not Path(audit).is_file():
        return []
    found = pd.read_csv(audit, dtype=str, keep_default_na=False)
    rows = published[published["table"] == table].to_dict("records")
    now, not_audited = set(), Faults()
    for row in rows:
        with not_audited.catching():
            now.add(tuple(_ids(_read_row(str(audit), row, {})).values()))
    current = found[[ids in now for ids in found[list(IDS)].itertuples(index=False, name=None)]]
    never, one_run = (current[current["verdict"] == verdict] for verdict in (IMPOSSIBLE, NOT_IN_ONE_RUN))
    notes = [f"Cannot exist: {_row_named(row)}, {_named(row)}" for row in never.itertuples()]
    refuted = set(map(_row_named, never.itertuples()))
    names = [name for name in dict.fromkeys(map(_row_named, one_run.itertuples())) if name not in refuted]
    if names:
        counts, named = "Table 5" if table == "2" else "Table 4", ", ".join(names)
        notes.append(f"Cannot all come from one run with the class counts of {counts}: {named} (target audit)")
    return notes
