"""What each table of scores shows: caption, protocols, columns."""

from ra_icl.datasets.index import TITLES
from ra_icl.datasets.protocols import CASME3, CDE, CROSS

CAPTIONS = {
    "1": "Comparison under the CDE setting, UF1 and UAR in %",
    "2": "Comparison on CAS(ME)³, UF1 and UAR in %",
    "3": "Ablation of the components of Ra-ICL under the CDE setting, UF1 and UAR in %",
    "3_controls": "Controls of the ablation of Ra-ICL under the CDE setting, UF1 and UAR in %",
    "ensembles": "Ensembles of trainings under the CDE setting, UF1 and UAR in %",
    "peers": "Methods on the same folds under the CDE setting, UF1 and UAR in %",
    "peers_casme3": "Methods on the same folds of CAS(ME)³, UF1 and UAR in %",
    "cross": "Across datasets, UF1 and UAR in % on those that were not trained on",
    "own": "Own data, leave-one-subject-out, UF1 and UAR in %",
}
PROTOCOLS = {
    "1": ("cde",),
    "2": CASME3,
    "3": CDE,
    "3_controls": CDE,
    "ensembles": CDE,
    "peers": CDE,
    "peers_casme3": CASME3,
    "cross": CROSS,
    "own": ("own",),
}
QUOTES = {"peers": "1", "peers_casme3": "2"}  # the paper's table whose published rows a table of ours repeats
MARKS = {"mir": "MIR", "irc": "IRC", "mrd": "MRD"}
# The columns before the scores: {column of the CSV: title for people}.
LEADING = {
    "1": {"title": "Method", "source": "Source", "data": "Data"},
    "2": {"title": "Method", "source": "Source", "data": "Data", "classes": "Classes"},
    "3": {"title": "Method", **MARKS, "data": "Data"},
    "3_controls": {"title": "Method", **MARKS, "data": "Data"},
    "ensembles": {"title": "Method", "data": "Data"},
    "peers": {"title": "Method", "source": "Source", "data": "Data"},
    "peers_casme3": {"title": "Method", "source": "Source", "data": "Data", "classes": "Classes"},
    "cross": {"title": "Method", "trained": "Trained on", "data": "Data"},
    "own": {"title": "Method", **MARKS, "data": "Data"},
}
IDS = ["data", "method", "title", "source", "protocol", "classes", "seeds", "selection"]
SCORES = {"uf1": "UF1", "uar": "UAR"}
CDE_SUBSETS = {"composite": "Composite"} | {name: TITLES[name] for name in ("casme2", "samm", "smic")}
NUMERIC = [f"{subset}_{score}" for subset in CDE_SUBSETS for score in SCORES]


def subsets(number: str) -> dict[str, str]:
    """{subset of the sequences: title for people} whose scores a table shows."""
    return {"composite": ""} if number in ("2", "own", "peers_casme3") else CDE_SUBSETS


def score_columns(number: str) -> dict[str, str]:
    """{column of the CSV: title for people} of the scores."""
    shown = subsets(number).items()
    return {f"{s}_{score}": f"{title} {name}".strip() for s, title in shown for score, name in SCORES.items()}


def columns(number: str) -> list[str]:
    """All columns of the CSV."""
    further = [name for name in (*MARKS, "trained") if name in LEADING[number]]
    return [*IDS, *further, *(name for column in score_columns(number) for name in (column, *spread(column)))]


def spread(column: str) -> list[str]:
    """The columns of the CSV that tell how certain a score is; only those of all datasets have an interval."""
    return [f"{column}{end}" for end in ("_std", *(("_low", "_high") if column.startswith("composite_") else ()))]
