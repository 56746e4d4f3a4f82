"""The command that trains one fold."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from ra_icl.cli import app
from ra_icl.cli.arguments import Classes, Options, Protocol


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
    code: Annotated[
        str, typer.Option(help="digest of the code that trains; a checkpoint of other code is not resumed")
    ] = "",
    options: Options = "{}",
) -> None:
    """Train leave-one-subject-out folds one after another, and predict the held-out subjects."""
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    # cuBLAS gives the same sums on every stream only with a workspace of a fixed size.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    from ra_icl.planning.options import parse
    from ra_icl.training.fold import Fold, run_folds
    from ra_icl.training.method import MethodOptions

    torch.set_num_threads(threads)
    folds = {path: Fold(protocol, method, path.stem, seed, data_source, tuple(json.loads(classes))) for path in out}
    keep = (checkpoints, checkpoint_seconds, flow_digest, code)
    run_folds(folds, index, flow, parse(MethodOptions, options, "options"), device, *keep)
