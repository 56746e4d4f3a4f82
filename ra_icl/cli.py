"""The command line: every step of the workflow as a sub-command of `ra-icl`.

Options of a step are a JSON object; what it leaves out keeps the paper's value. Modules are imported inside the
commands, so that a step pays only for what it uses.
"""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ra_icl.errors import InputError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)

Options = Annotated[str, typer.Option(help="JSON object of options; what it leaves out keeps its default")]
Out = Annotated[Path, typer.Option(help="file to write")]
Index = Annotated[Path, typer.Option(help="index CSV of the dataset")]
Dataset = Annotated[str, typer.Option(help="casme2, samm, smic, casme3 or own")]
Classes = Annotated[str, typer.Option(help="JSON list: the classes of protocol own, in label order")]
Protocol = Annotated[str, typer.Option(help="cde, casme3_3, casme3_4, casme3_7 or own")]
Subject = Annotated[str, typer.Option(help="subject, as the index names it")]


def main() -> None:
    """Run the command line; bad input, or a file that cannot be used, becomes a line on stderr and exit status 2."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")  # what is wrong with a file is said here, in one line
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        app()
    except InputError as error:
        sys.exit(_report(error))
    except OSError as error:
        if error.filename is None:
            raise
        fault = f"{error.filename}: {error.strerror}; check the path, its permissions and the disk"
        sys.exit(_report(InputError(fault)))


def _report(error: InputError) -> int:
    for line in str(error).splitlines():
        print(f"ra-icl: error: {line}", file=sys.stderr)
    return 2


@app.command()
def twins(dataset: Dataset, out: Out, options: Options = "{}") -> None:
    """Render the synthetic twin of a dataset in its official layout into the folder --out."""
    from ra_icl.datasets.twin_plan import TwinOptions
    from ra_icl.datasets.twins import render
    from ra_icl.options import parse

    render(dataset, out, parse(TwinOptions, options, "options"))


@app.command()
def index(dataset: Dataset, out: Out, options: Options) -> None:
    """Read a dataset's annotation into an index CSV. --options: {"root": ..., "annotation": ..., "frames": ...}."""
    from ra_icl.datasets import build_index
    from ra_icl.files import write_csv

    write_csv(out, build_index(dataset, _object(options)))


@app.command()
def check(
    configfile: Annotated[list[Path] | None, typer.Option(help="config file on top of config/config.yaml")] = None,
    dataset: Annotated[list[str] | None, typer.Option(help="only this one; may be given several times")] = None,
    decode: Annotated[bool, typer.Option(help="also read every frame")] = True,
) -> None:
    """Find all faults of the datasets: annotation, folders, frames, counts. Exit status 1 where there are any."""
    from ra_icl.check import check_config_datasets

    faults = check_config_datasets(configfile or [], dataset or [], decode)
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)


@app.command("published-index")
def published_index(dataset: Dataset, out: Out, options: Options) -> None:
    """Read the table of published flow maps into an index CSV. --options: {name: {"root": ..., "layout": ...}}."""
    from ra_icl.datasets.public_flow import read_index
    from ra_icl.files import write_csv
    from ra_icl.plan import published_options

    write_csv(out, read_index(published_options({"public_flow": _object(options)}), dataset))


@app.command()
def crop(index: Index, subject: Subject, out: Out, options: Options = "{}") -> None:
    """Crop the faces of one subject's sequences."""
    from ra_icl.faces import FaceOptions, crop_subject
    from ra_icl.options import parse

    crop_subject(_rows_of(index, subject), out, parse(FaceOptions, options, "faces"))


@app.command()
def flow(
    index: Index,
    subject: Annotated[list[str], typer.Option(help="subject, as the index names it; may be given several times")],
    crops: Annotated[Path, typer.Option(help="folder of the dataset's crops")],
    out: Annotated[Path, typer.Option(help="folder to write into")],
    sampling: Annotated[str, typer.Option(help='JSON, e.g. {"mode": "middle", "instances": 16}')] = "{}",
    options: Options = "{}",
) -> None:
    """Compute optical flow and strain between the onset and the sampled frames, for each subject a file in --out."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # read as NumPy's BLAS starts: Snakemake gives a job one core
    from ra_icl.flow import FlowOptions
    from ra_icl.flow.subjects import flow_subjects
    from ra_icl.options import parse
    from ra_icl.sampling import Sampling

    chosen = {key: value for key, value in _object(sampling).items() if key != "source"}
    frames = parse(Sampling, json.dumps(chosen), "sampling")
    flow_subjects(_rows_of(index, *subject), crops, out, frames, parse(FlowOptions, options, "flow"))


@app.command("published-flow")
def published_flow(
    index: Index, out: Annotated[Path, typer.Option(help="folder to write into")], options: Options
) -> None:
    """Read the published flow maps of a dataset. --options: {"root": ..., "layout": "onset_apex"}."""
    from ra_icl.datasets.index import read_index_csv
    from ra_icl.datasets.public_flow import PublishedOptions, write_subjects
    from ra_icl.options import parse

    write_subjects(read_index_csv(index), parse(PublishedOptions, options, "public_flow"), out)


@app.command()
def fold(
    out: Annotated[
        list[Path],
        typer.Argument(help="{dataset}-{subject}.csv of a held-out subject; .json and .safetensors come beside it"),
    ],
    index: Annotated[list[Path], typer.Option(help="index CSV; once for each dataset of the protocol")],
    flow: Annotated[Path, typer.Option(help="folder flow/{sampling}")],
    protocol: Protocol = "cde",
    classes: Classes = "[]",
    method: Annotated[str, typer.Option(help="name for the record")] = "m6",
    seed: int = 0,
    data_source: Annotated[str, typer.Option(help="datasets, twins or public_flow")] = "datasets",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads")] = 1,
    checkpoints: Annotated[Path | None, typer.Option(help="folder that keeps the state, to go on from")] = None,
    checkpoint_seconds: Annotated[float, typer.Option(help="at least so long between two writes of it")] = 60,
    flow_digest: Annotated[
        Path | None, typer.Option(help="file of the flow's checksums, instead of reading it")
    ] = None,
    options: Options = "{}",
) -> None:
    """Train leave-one-subject-out folds one after another, and predict the held-out subjects."""
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    # cuBLAS gives the same sums on every stream only with a workspace of a fixed size.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    from ra_icl.fold import Fold, run_folds
    from ra_icl.method import MethodOptions
    from ra_icl.options import parse

    torch.set_num_threads(threads)
    folds = {path: Fold(protocol, method, path.stem, seed, data_source, tuple(json.loads(classes))) for path in out}
    keep = (checkpoints, checkpoint_seconds, flow_digest)
    run_folds(folds, index, flow, parse(MethodOptions, options, "options"), device, *keep)


@app.command()
def metrics(
    folds: Annotated[list[Path], typer.Argument(help="the folds' CSV files")],
    out: Out,
    protocol: Protocol,
    method: Annotated[str, typer.Option()],
    classes: Classes = "[]",
) -> None:
    """Pool the predictions of all folds into UF1, UAR, accuracy and confusion matrices."""
    from ra_icl.datasets.protocols import protocol_of
    from ra_icl.metrics import aggregate

    known = protocol_of(protocol, json.loads(classes)).classes
    aggregate(folds, out, classes=known, protocol=protocol, method=method)


@app.command()
def table(
    name: Annotated[str, typer.Argument(help="1, 2, 3 or own")],
    metrics: Annotated[list[Path], typer.Argument(help="metrics JSON files")],
    out: Annotated[Path, typer.Option(help="path without suffix: .csv, .md and .tex are written")],
    methods: Annotated[str, typer.Option(help="JSON: method name to title and marks")],
    published: Annotated[Path, typer.Option(help="published rows")] = Path("config/published.csv"),
) -> None:
    """Write one of the paper's tables."""
    from ra_icl.tables import write_table

    write_table(name, metrics, published, out, _object(methods))


@app.command()
def counts(
    number: Annotated[str, typer.Argument(help="4 (CDE) or 5 (CAS(ME)³)")],
    index: Annotated[list[Path], typer.Argument(help="index CSV of each dataset of the table")],
    out: Annotated[Path, typer.Option(help="path without suffix: .csv, .md and .tex are written")],
    data_source: Annotated[str, typer.Option(help="datasets, twins or public_flow")] = "datasets",
) -> None:
    """Count sequences and subjects per class: Table 4 or 5."""
    import pandas as pd

    from ra_icl.count_tables import write_counts
    from ra_icl.datasets.index import read_index_csv

    write_counts(number, pd.concat([read_index_csv(path) for path in index], ignore_index=True), out, data_source)


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
    from ra_icl.qc import measure_subject
    from ra_icl.qc_figures import draw_subject

    rows = _rows_of(index, subject)
    draw_subject(measure_subject(rows, crops, flow, f"{out}.json"), f"{out}.png", data_source)


@app.command("qc-dataset")
def qc_dataset(
    measures: Annotated[list[Path], typer.Argument(help="JSON files of qc-subject")],
    crops: Annotated[Path, typer.Option(help="folder of the dataset's crops")],
    out: Annotated[Path, typer.Option(help="path without suffix: .csv, .html and .png are written")],
    data_source: Annotated[str, typer.Option(help="datasets or twins")] = "datasets",
) -> None:
    """List a dataset's sequences by how odd they look, and draw a contact sheet of their onset crops."""
    from ra_icl.qc import rank
    from ra_icl.qc_figures import contact_sheet

    contact_sheet(rank(measures, out), crops, f"{out}.png", data_source)


@app.command()
def confusion(
    figure: Annotated[str, typer.Argument(help="4 (CDE), 11 (CAS(ME)³) or own")],
    metrics: Annotated[list[Path], typer.Argument(help="metrics JSON files")],
    out: Annotated[Path, typer.Option(help="path without suffix: .pdf and .png are written")],
) -> None:
    """Draw the confusion matrices of Figure 4, of Figure 11 or of own data."""
    from ra_icl.figures import figure4, figure11, figure_own

    figures = {"4": lambda: figure4(metrics[0], out), "11": lambda: figure11(metrics, out)}
    figures["own"] = lambda: figure_own(metrics[0], out)
    if figure not in figures:
        raise InputError(f"figure {figure}: no such figure of confusion matrices; choose 4, 11 or own")
    figures[figure]()


@app.command()
def sweep(
    metrics: Annotated[list[Path], typer.Argument(help="metrics JSON files, one for each value")],
    values: Annotated[str, typer.Option(help="JSON list: the values, in the order of the files")],
    title: Annotated[str, typer.Option(help="what is varied")],
    out: Annotated[Path, typer.Option(help="path without suffix: .pdf and .png are written")],
) -> None:
    """Draw UF1 and UAR over the values of one key: Figures 6-10."""
    from ra_icl.figures import sweep_figure

    sweep_figure(json.loads(values), metrics, title, out)


def _rows_of(index: Path, *subjects: str):
    from ra_icl.datasets.index import read_index_csv

    table = read_index_csv(index)
    known = set(table["subject"])
    for subject in subjects:
        if subject not in known:
            raise InputError(f"{index}: no subject {subject!r}; known: {', '.join(sorted(known))}")
    return table[table["subject"].isin(subjects)]


def _object(text: str) -> dict:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InputError(f"options: not JSON ({error}); give an object such as '{{}}'") from error
    if not isinstance(value, dict):
        raise InputError(f"options: give a JSON object, not {text}")
    return value
