"""Commands that look for faults: check, quality control, and what went wrong in a training."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from ra_icl.cli import app
from ra_icl.cli.arguments import DataSource, Index, Subject, rows_of
from ra_icl.errors import Fault, InputError


@app.command()
def check(
    configfile: Annotated[
        list[Path] | None, typer.Option(help="config file, read on top of config/config.yaml")
    ] = None,
    dataset: Annotated[list[str] | None, typer.Option(help="only this dataset; may be given several times")] = None,
    decode: Annotated[bool, typer.Option(help="also read every frame")] = True,
    faces: Annotated[bool, typer.Option("--faces", help="also look for a face on every onset frame")] = False,
    deep: Annotated[bool, typer.Option("--deep", help="also compare every image with every other")] = False,
    results: Annotated[bool, typer.Option("--results", help="also verify every tensor of the results folder")] = False,
    estimate: Annotated[bool, typer.Option(help="if there are no faults, also measure what the run will need")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="print the findings alone, as a list for programs")] = False,
) -> None:
    """Find all faults of the data before a run: annotation, frames, counts; afterwards, frames that have changed.

    Prints one line per finding and exits with status 1 if there are faults; warnings and notes stop nothing. With
    `--json`, each is an object of severity, kind, where, what and remedy. Of published flow maps, the clones are
    compared with the checksums in the config. Without faults, prints device, hours, disk and GPU memory that the run
    will need, estimated from a few training steps.

    Example: ra-icl check --configfile config/demo.yaml
    """
    from ra_icl.planning.check import find_faults
    from ra_icl.planning.config import load_run
    from ra_icl.planning.indexes import read_index
    from ra_icl.planning.plan import make_plan, quietly
    from ra_icl.planning.selection import Selection

    indexes = {}

    def read(config, name):
        if name not in indexes:
            indexes[name] = read_index(config, name)
        return indexes[name]

    try:
        found = find_faults(configfile or [], dataset or [], decode, results, faces, deep, read)
        plan = None
        if not found.serious and not dataset:  # what only the plan of the whole run shows
            with quietly():  # what it warns of was found above
                plan = make_plan(load_run(configfile or []), read)
                Selection(plan)
    except InputError as error:
        if not as_json:
            raise
        _print_json(error.faults)
        sys.exit(2)
    if as_json:
        _print_json(found)
        sys.exit(1 if found.serious else 0)
    for fault in map(Fault.of, found):
        print(fault if fault.severity == "fault" else f"{fault.severity}: {fault}")
    if estimate and plan:
        from ra_icl.planning.estimate import estimate as needs

        for line in needs(plan):
            print(line)
    sys.exit(1 if found.serious else 0)


def _print_json(faults: Iterable[str]) -> None:
    keys = ("severity", "kind", "where", "what", "remedy")
    findings = [{key: getattr(fault, key) for key in keys} for fault in map(Fault.of, faults)]
    print(json.dumps(findings, indent=2, ensure_ascii=False))


@app.command()
def faults(
    into: Annotated[Path | None, typer.Option(help="replace the table in this page instead of printing it")] = None,
) -> None:
    """Print all kinds of findings about data, with an example each, as a table in Markdown.

    Example: ra-icl faults --into docs/faults.md
    """
    from ra_icl.planning.fault_table import fault_table, replace_table

    if into:
        replace_table(into)
    else:
        print(fault_table())


@app.command("config-schema")
def config_schema() -> None:
    """Print the JSON schema of a config, with every key's type, range and meaning: for an editor, or to read.

    Example: ra-icl config-schema > config.schema.json
    """
    from ra_icl.planning import config

    print(json.dumps(config.config_schema(), indent=2, ensure_ascii=False))


@app.command()
def explain(fold: Annotated[Path, typer.Argument(help="JSON or CSV of a fold, which lie side by side")]) -> None:
    """Say in plain words what went wrong in the training of a fold, with the numbers.

    A term of the loss that outweighs classification, regions that are uniform or collapsed, a target that lags behind,
    underfit, overfit, or "nothing stands out".

    Example: ra-icl explain results/demo/folds/cde/m6/seed0/casme2-sub01.json
    """
    from ra_icl.evaluation.explain import explain as lines_of

    for line in lines_of(fold):
        print(line)


@app.command("qc-subject")
def qc_subject(
    index: Index,
    subject: Subject,
    crops: Annotated[Path, typer.Option(help="the subject's crops")],
    flow: Annotated[Path, typer.Option(help="the subject's flow")],
    out: Annotated[Path, typer.Option(help="path without suffix; writes .json and .png")],
    data_source: DataSource,
) -> None:
    """Measure how odd a subject's sequences look and draw their motion energy.

    Example: ra-icl qc-subject --index results/demo/index/casme2.csv --subject sub01
    --crops results/demo/crops/casme2/sub01.safetensors --flow results/demo/flow/middle-4/casme2/sub01.safetensors
    --data-source twins --out qc/sub01
    """
    from ra_icl.evaluation.qc import measure_subject
    from ra_icl.evaluation.qc_figures import draw_subject

    rows = rows_of(index, subject)
    draw_subject(measure_subject(rows, crops, flow, f"{out}.json"), f"{out}.png", data_source)


@app.command("qc-dataset")
def qc_dataset(
    measures: Annotated[list[Path], typer.Argument(help="JSON files that qc-subject wrote")],
    crops: Annotated[Path, typer.Option(help="folder of the dataset's crops")],
    out: Annotated[Path, typer.Option(help="path without suffix; writes .csv, .html and .png")],
    data_source: DataSource,
) -> None:
    """List a dataset's sequences by how odd they look and draw a contact sheet of their onset crops.

    `snakemake --cores all --configfile config/demo.yaml -- qc` makes what the example reads.

    Example: ra-icl qc-dataset results/demo/qc/casme2/*.json --crops results/demo/crops/casme2
    --data-source twins --out qc/casme2
    """
    from ra_icl.evaluation.qc import rank
    from ra_icl.evaluation.qc_figures import contact_sheet

    contact_sheet(rank(measures, out, data_source), crops, f"{out}.png", data_source)
