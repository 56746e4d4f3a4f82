"""The command that trains one fold."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ra_icl.cli import app
from ra_icl.cli.arguments import Classes, DataSource, Options, Protocol, use_gpu
from ra_icl.errors import InputError


@app.command()
def fold(
    out: Annotated[
        Path,
        typer.Option(
            help="{fold}.csv: {dataset}-{subject} holds that subject out, group1 to group5 a fifth of the subjects "
            "(protocol groups5); a .json goes beside it"
        ),
    ],
    index: Annotated[list[Path], typer.Option(help="index CSV; repeat it for each dataset of the protocol")],
    flow: Annotated[Path, typer.Option(help="folder flow/{sampling}")],
    protocol: Protocol = "cde",
    classes: Classes = "[]",
    method: Annotated[str, typer.Option(help="name of the method, for the record")] = "m6",
    seed: int = 0,
    data_source: DataSource = "datasets",
    threads: Annotated[int, typer.Option(help="CPU threads")] = 1,
    checkpoints: Annotated[Path | None, typer.Option(help="checkpoint folder; training resumes from it")] = None,
    checkpoint_seconds: Annotated[float, typer.Option(help="minimum seconds between checkpoints")] = 60,
    code: Annotated[
        str, typer.Option(help="digest of the training code, computed if empty; results of other code are not reused")
    ] = "",
    keep_network: Annotated[
        bool, typer.Option("--keep-network", help="also write the network, in half precision, as .safetensors")
    ] = False,
    options: Options = "{}",
) -> None:
    """Train one fold and predict its held-out subject, or subjects.

    Example: ra-icl fold --out folds/samm-006.csv --index casme2.csv --index samm.csv
    --index smic.csv --flow flow/middle-16
    """
    if out.suffix != ".csv":
        raise InputError(f"{out}: name the fold by its file, {{dataset}}-{{subject}}.csv or group1.csv")
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    from ra_icl.planning.code import code_digest
    from ra_icl.planning.options import json_list, parse
    from ra_icl.training.method import MethodOptions

    method_options = parse(MethodOptions, options, "options")
    use_gpu(method_options.training.device)
    import torch

    from ra_icl.training.fold import Fold, run_fold

    torch.set_num_threads(threads)
    held_out = Fold(protocol, method, out.stem, seed, data_source, tuple(json_list(classes, "classes")))
    keeping = {"checkpoints": checkpoints, "checkpoint_seconds": checkpoint_seconds, "keep_network": keep_network}
    run_fold(out, held_out, index, flow, method_options, code=code or code_digest("ra_icl.training.fold"), **keeping)
