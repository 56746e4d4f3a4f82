"""Commands from clips to flow: twins, index, crops, flow, and the flow set of a protocol."""

import json
import os
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ra_icl.cli import app
from ra_icl.cli.arguments import Dataset, Exclude, Index, Options, Out, Subject, rows_of, use_gpu, without_excluded
from ra_icl.errors import InputError

SamplingText = Annotated[str, typer.Option(help='JSON, such as {"mode": "middle", "instances": 16}')]


@app.command()
def twins(
    dataset: Annotated[str, typer.Option(help="casme2, samm, smic or casme3")],
    out: Annotated[Path, typer.Option(help="folder to write")],
    options: Options = "{}",
) -> None:
    """Render the synthetic twin of a dataset in its official layout into the folder --out.

    Options are the keys of `twins` in config/config.yaml.

    Example: ra-icl twins --dataset samm --out twins/samm --options '{"per_class": 2, "frames": [16, 24]}'
    """
    from ra_icl.planning.options import parse
    from ra_icl.twins.plan import TwinOptions
    from ra_icl.twins.render import render

    render(dataset, out, parse(TwinOptions, options, "options"))


@app.command("twin-depth")
def twin_depth(
    root: Annotated[Path, typer.Option(help="twin of CAS(ME)³ that `ra-icl twins` rendered with the same options")],
    options: Options = "{}",
) -> None:
    """Render the depth images of the synthetic twin of CAS(ME)³ into it, beside its colour frames.

    Example: ra-icl twin-depth --root results/demo/twins/casme3
    --options '{"per_class": 4, "casme3_subjects": 4, "strength": [2.0, 4.5]}'
    """
    from ra_icl.planning.options import parse
    from ra_icl.twins.depth import render_depth
    from ra_icl.twins.plan import TwinOptions

    render_depth(root, parse(TwinOptions, options, "options"))


@app.command()
def index(dataset: Dataset, out: Out, options: Options, exclude: Exclude = "[]") -> None:
    """Read a dataset's annotation into an index CSV.

    Example: ra-icl index --dataset samm --options '{"root": "results/demo/twins/samm"}' --out samm.csv
    """
    from ra_icl.datasets.index import write_index_csv
    from ra_icl.datasets.options import DATASETS
    from ra_icl.datasets.reading import build_index
    from ra_icl.planning.options import json_list, parse

    if dataset not in DATASETS:
        raise InputError(f"--dataset {dataset}: is not known; choose one of {', '.join(DATASETS)}")
    excluded = list(map(str, json_list(exclude, "exclude")))
    write_index_csv(out, build_index(dataset, asdict(parse(DATASETS[dataset], options, "options")), excluded))


@app.command("published-index")
def published_index(
    dataset: Annotated[str, typer.Option(help="casme2, samm or smic")],
    out: Out,
    options: Options,
    exclude: Exclude = "[]",
) -> None:
    """Read the table of published flow maps into an index CSV.

    The folder is a clone of the repository that config/public-flow.yaml names.

    Example: ra-icl published-index --dataset samm --options '{"htnet": {"root": "public/HTNet"}}' --out samm.csv
    """
    from ra_icl.datasets.index import write_index_csv
    from ra_icl.datasets.public_flow import FRAMES_PER_SECOND, check_clone, read_index
    from ra_icl.planning.indexes import published_options
    from ra_icl.planning.options import json_object

    if dataset not in FRAMES_PER_SECOND:
        raise InputError(f"--dataset {dataset}: has no published maps; choose one of {', '.join(FRAMES_PER_SECOND)}")
    sources = published_options({"public_flow": json_object(options, "options")})
    for name, source in sources.items():
        check_clone(f"public_flow.{name}", source)
    write_index_csv(out, without_excluded(read_index(sources, dataset), exclude))


@app.command()
def crop(
    index: Index,
    root: Annotated[Path, typer.Option(help="the dataset's folder, which the index's frame folders are relative to")],
    subject: Subject,
    out: Out,
    options: Options = "{}",
) -> None:
    """Crop the faces of one subject's sequences.

    Example: ra-icl crop --index results/demo/index/samm.csv --root results/demo/twins/samm --subject 006
    --out crops/samm/006.safetensors
    """
    from ra_icl.faces.crop import crop_subject
    from ra_icl.faces.options import FaceOptions
    from ra_icl.planning.options import parse

    crop_subject(rows_of(index, subject), root, out, parse(FaceOptions, options, "options"))


@app.command()
def depth(
    index: Index,
    root: Annotated[Path, typer.Option(help="the dataset's folder, which the index's frame folders are relative to")],
    subject: Subject,
    crops: Annotated[Path, typer.Option(help="the subject's crops")],
    out: Out,
    sampling: SamplingText = "{}",
) -> None:
    """Crop the depth images of one subject's sequences like their colour frames (CAS(ME)³ only).

    Those of the onset and of the frames that the sampling takes. A twin has depth images after `ra-icl twin-depth`.

    Example: ra-icl depth --index results/demo/index/casme3.csv --root results/demo/twins/casme3 --subject spNO.1
    --crops results/demo/crops/casme3/spNO.1.safetensors
    --sampling '{"mode": "apex", "depth": true}' --out depth/apex-depth/casme3/spNO.1.safetensors
    """
    from ra_icl.faces.depth import crop_depth
    from ra_icl.flow.sampling import used_frames

    chosen = _sampling(sampling)

    def wanted(row, numbers: list[int]) -> list[int]:
        key = f"{row.dataset}/{row.subject}/{row.sequence}"
        return [0, *used_frames(numbers, row.apex, chosen, key)["positions"]]

    crop_depth(crops, rows_of(index, subject), root, out, wanted)


@app.command()
def flow(
    index: Index,
    subject: Subject,
    crops: Annotated[Path, typer.Option(help="the subject's crops")],
    out: Out,
    sampling: SamplingText = "{}",
    options: Options = "{}",
    depth: Annotated[Path | None, typer.Option(help="the subject's depth, which a sampling with depth needs")] = None,
) -> None:
    """Compute optical flow and strain between the onset and the sampled frames of one subject's sequences.

    Sampling mode frames writes grey frames, interpolated in time, in place of flow.

    Example: ra-icl flow --index results/demo/index/samm.csv --subject 006
    --crops results/demo/crops/samm/006.safetensors --out flow/middle-16/samm/006.safetensors
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # read as NumPy's BLAS starts: Snakemake gives a job one core
    from tqdm import tqdm

    from ra_icl.flow.options import FlowOptions
    from ra_icl.flow.subjects import flow_subject
    from ra_icl.planning.options import parse

    frames, computed = _sampling(sampling), parse(FlowOptions, options, "options")
    rows = rows_of(index, subject)
    memory = nullcontext()
    if computed.backend == "torch" and frames.mode != "frames":
        use_gpu("auto")
        from ra_icl.training.device import explaining_memory

        memory = explaining_memory()
    with memory, tqdm(total=len(rows), desc=f"flow {subject}", unit="sequence", disable=None) as bar:
        flow_subject(crops, rows, out, frames, computed, bar.update, depth)


def _sampling(text: str):
    """A sampling of frames from JSON; a method's options of it also have the key `source`, of published maps."""
    from ra_icl.flow.sampling import Sampling
    from ra_icl.planning.options import json_object, parse

    chosen = {key: value for key, value in json_object(text, "sampling").items() if key != "source"}
    return parse(Sampling, json.dumps(chosen), "sampling")


@app.command("published-flow")
def published_flow(index: Index, subject: Subject, out: Out, options: Options) -> None:
    """Read the published flow maps of one subject.

    From a clone of the repository that config/public-flow.yaml names, and the index of `ra-icl published-index`.

    Example: ra-icl published-flow --index samm.csv --subject 006 --options '{"root": "public/HTNet"}'
    --out flow/published-htnet/samm/006.safetensors
    """
    from ra_icl.datasets.public_flow import PublishedOptions, check_clone, write_subject
    from ra_icl.planning.options import parse

    source = parse(PublishedOptions, options, "options")
    check_clone("options", source)
    write_subject(rows_of(index, subject), source, out)


@app.command("flow-set")
def flow_set(
    flow: Annotated[list[Path], typer.Argument(help="flow files, {dataset}/{subject}.safetensors")], out: Out
) -> None:
    """Verify flow files and list the checksum of every sequence: what the folds of a protocol are fed.

    Example: ra-icl flow-set results/demo/flow/middle-4/casme3/*.safetensors --out casme3_3.sha256
    """
    from ra_icl.flow.checksums import write_flow_set

    write_flow_set(flow, out)
