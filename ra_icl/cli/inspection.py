"""Commands that look for faults: check and quality control."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from ra_icl.cli import app
from ra_icl.cli.arguments import Index, Subject, rows_of


@app.command()
def check(
    configfile: Annotated[list[Path] | None, typer.Option(help="config file on top of config/config.yaml")] = None,
    dataset: Annotated[list[str] | None, typer.Option(help="only this one; may be given several times")] = None,
    decode: Annotated[bool, typer.Option(help="also read every frame")] = True,
) -> None:
    """Find all faults of the datasets: annotation, folders, frames, counts. Exit status 1 where there are any."""
    from ra_icl.planning.check import check_config_datasets

    faults = check_config_datasets(configfile or [], dataset or [], decode)
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)


@app.command("config-schema")
def config_schema() -> None:
    """Print the JSON schema of a config, with every key's type, range and meaning: for an editor, or to read."""
    from ra_icl.planning import config

    print(json.dumps(config.config_schema(), indent=2, ensure_ascii=False))


@app.command("qc-subject")
def qc_subject(
    index: Index,
    subject: Subject,
    crops: Annotated[Path, typer.Option(help="the subject's crops")],
    flow: Annotated[Path, typer.Option(help="the subject's flow")],
    out: Annotated[Path, typer.Option(help="path without suffix: .json and .png are written")],
    data_source: Annotated[str, typer.Option(help="datasets or twins")] = "datasets",
) -> None:
    """Measure how odd a subject's sequences look and draw their motion energy."""
    from ra_icl.evaluation.qc import measure_subject
    from ra_icl.evaluation.qc_figures import draw_subject

    rows = rows_of(index, subject)
    draw_subject(measure_subject(rows, crops, flow, f"{out}.json"), f"{out}.png", data_source)


@app.command("qc-dataset")
def qc_dataset(
    measures: Annotated[list[Path], typer.Argument(help="JSON files of qc-subject")],
    crops: Annotated[Path, typer.Option(help="folder of the dataset's crops")],
    out: Annotated[Path, typer.Option(help="path without suffix: .csv, .html and .png are written")],
    data_source: Annotated[str, typer.Option(help="datasets or twins")] = "datasets",
) -> None:
    """List a dataset's sequences by how odd they look, and draw a contact sheet of their onset crops."""
    from ra_icl.evaluation.qc import rank
    from ra_icl.evaluation.qc_figures import contact_sheet

    contact_sheet(rank(measures, out), crops, f"{out}.png", data_source)
