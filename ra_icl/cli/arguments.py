"""Options that several commands share, and how they are read."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ra_icl.errors import InputError

SOURCES = ("datasets", "twins", "public_flow")


def _known_source(value: str) -> str:
    if value not in SOURCES:
        raise InputError(f"--data-source {value}: is not known; choose one of {', '.join(SOURCES)}")
    return value


def _predictions(folds: list[Path]) -> list[Path]:
    from ra_icl.evaluation.folds import predictions_among

    found = predictions_among(folds)
    if folds and not found:
        raise InputError(f"{folds[0]}: holds no predictions of a fold; name the fold's CSV")
    return found


def folds_argument(text: str):
    """An argument for the CSVs of folds; what folds leave beside them, which `*.csv` finds too, is passed over."""
    return typer.Argument(help=text, callback=_predictions)


Options = Annotated[str, typer.Option(help="JSON object of options; what it leaves out keeps its default")]
Out = Annotated[Path, typer.Option(help="file to write")]
TableOut = Annotated[Path, typer.Option(help="path without suffix; writes .csv, .md, .tex, .notes.md and .html")]
FigureOut = Annotated[Path, typer.Option(help="path without suffix; writes .pdf and .png")]
Index = Annotated[Path, typer.Option(help="index CSV of the dataset")]
Indexes = Annotated[list[Path], typer.Option(help="index CSV; repeat it for each dataset of the protocol")]
FlowFolder = Annotated[Path, typer.Option(help="folder flow/{sampling}")]
Exclude = Annotated[str, typer.Option(help="JSON list of sequences to leave out, as subject/sequence")]
LeftOut = Annotated[str, typer.Option(help="JSON object: how many sequences data.exclude left out, by dataset")]
Dataset = Annotated[str, typer.Option(help="casme2, samm, smic, casme3 or own")]
Classes = Annotated[str, typer.Option(help="JSON list: the classes of protocol own, in label order")]
Protocol = Annotated[
    str,
    typer.Option(help="cde, groups5, casme3_3, casme3_4, casme3_7, cross, cross_casme2, cross_samm, cross_smic or own"),
]
DataSource = Annotated[str, typer.Option(help="datasets, twins or public_flow, for the record", callback=_known_source)]
Subject = Annotated[str, typer.Option(help="subject, as the index names it")]


def rows_of(index: Path, subject: str):
    """The subject's rows of an index CSV. Raises InputError if there are none."""
    from ra_icl.datasets.index import read_index_csv

    table = read_index_csv(index)
    rows = table[table["subject"] == subject]
    if rows.empty:
        raise InputError(f"{index}: no subject {subject!r}; known: {', '.join(sorted(set(table['subject'])))}")
    return rows


def without_excluded(rows, exclude: str):
    """An index without the sequences of a JSON list. Raises InputError for one that it does not have."""
    from ra_icl.datasets.left_out import leave_out
    from ra_icl.errors import Faults
    from ra_icl.planning.options import json_list

    faults = Faults()
    used, _ = leave_out(rows, list(map(str, json_list(exclude, "exclude"))), faults)
    faults.raise_any()
    return used


def class_names(protocol: str, classes: str) -> tuple[str, ...]:
    """The classes of a protocol in label order; classes: a JSON list, those of own data."""
    from ra_icl.datasets.protocols import protocol_of
    from ra_icl.planning.options import json_list

    return protocol_of(protocol, json_list(classes, "classes")).classes


def counts_of(left_out: str) -> dict[str, int]:
    """A JSON object of counts. Raises InputError for anything else."""
    from ra_icl.planning.options import json_object

    counts = json_object(left_out, "left-out")
    if not all(isinstance(count, int) for count in counts.values()):
        raise InputError(f'--left-out: give a whole number for each dataset, such as {{"samm": 2}}, not {left_out}')
    return counts


def use_gpu(device: str) -> None:
    """Claim a GPU before PyTorch looks for one. Raises InputError if PyTorch cannot use it."""
    from ra_icl.training.gpus import claim_gpu

    # cuBLAS repeats its sums bit for bit only with a workspace of a fixed size.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    gpu = claim_gpu(device)
    if gpu:
        from ra_icl.training.device import require_usable

        require_usable(gpu)
