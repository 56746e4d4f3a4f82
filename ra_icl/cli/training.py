"""The command that trains one fold."""

import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ra_icl.cli import app
from ra_icl.cli.arguments import Classes, DataSource, FlowFolder, Indexes, Options, Protocol, use_gpu
from ra_icl.errors import InputError


@app.command()
def fold(
    out: Annotated[
        Path,
        typer.Option(
            help="{fold}.csv: {dataset}-{subject} holds that subject out, group1 to group5 a fifth of the subjects "
            "(protocol groups5), casme2 that dataset (cross), others all but one (cross_samm: samm), "
            "group1of5-inner2of3 the second third of the subjects outside the first fifth, which is left out "
            "altogether; a .json goes beside it"
        ),
    ],
    index: Indexes,
    flow: FlowFolder,
    data_source: DataSource,
    protocol: Protocol = "cde",
    classes: Classes = "[]",
    method: Annotated[str, typer.Option(help="name of the method, for the record")] = "m6",
    seed: int = 0,
    threads: Annotated[int, typer.Option(help="CPU threads", min=1)] = 1,
    checkpoints: Annotated[Path | None, typer.Option(help="checkpoint folder; training resumes from it")] = None,
    checkpoint_seconds: Annotated[float, typer.Option(help="minimum seconds between checkpoints")] = 60,
    code: Annotated[
        str, typer.Option(help="digest of the training code, computed if empty; results of other code are not reused")
    ] = "",
    keep_network: Annotated[
        bool, typer.Option("--keep-network", help="also write the network, in half precision, as .safetensors")
    ] = False,
    keep_epochs: Annotated[
        bool, typer.Option("--keep-epochs", help="also write the predictions after each epoch, as .epochs.csv")
    ] = False,
    keep_views: Annotated[
        bool,
        typer.Option(
            "--keep-views",
            help="also write the predictions from middle or all instances, with or without mirror "
            "images, as .views.csv",
        ),
    ] = False,
    options: Options = "{}",
    choice: Annotated[
        Path | None, typer.Option(help="choice of the fold's group, written by `ra-icl choose`; it overrides options")
    ] = None,
) -> None:
    """Train one fold and predict its held-out subject, or subjects.

    Example: ra-icl fold --out folds/samm-006.csv --index results/demo/index/casme2.csv
    --index results/demo/index/samm.csv --index results/demo/index/smic.csv
    --flow results/demo/flow/middle-4 --data-source twins --options '{"training": {"epochs": 2}}'
    """
    if out.suffix != ".csv":
        raise InputError(f"{out}: name the fold by its file, {{dataset}}-{{subject}}.csv or group1.csv")
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    from ra_icl.planning.code import code_digest
    from ra_icl.planning.options import json_list, parse
    from ra_icl.planning.peers import training_modules
    from ra_icl.training.method import MethodOptions

    candidate, options = _chosen(choice, options) if choice else ("", options)
    method_options = parse(MethodOptions, options, "options")
    keeping = {"keep_network": keep_network, "keep_epochs": keep_epochs, "keep_views": keep_views}
    if method_options.peer:
        _require_peer(method_options.peer, keeping)
    use_gpu(method_options.training.device)
    import torch

    from ra_icl.training.fold import Fold, run_fold

    torch.set_num_threads(threads)
    if sys.stderr.isatty():  # there a bar tells what a log has a line for
        logging.getLogger("ra_icl.training.loop").setLevel(logging.WARNING)
    held_out = Fold(protocol, method, out.stem, seed, data_source, tuple(json_list(classes, "classes")), candidate)
    keeping |= {"checkpoints": checkpoints, "checkpoint_seconds": checkpoint_seconds}
    modules = training_modules(method_options.peer)
    run_fold(out, held_out, index, flow, method_options, code=code or code_digest(*modules), **keeping)


def _require_peer(chosen: Mapping[str, Any], keeping: Mapping[str, bool]) -> None:
    """Raise InputError for a peer or a setting that is unknown, and for keeping what the peer does not have."""
    from ra_icl.planning.peers import require_peer

    lacks = {"keep_views": "predicts in one way"}
    if not require_peer(chosen, "peer").trains_network:
        lacks |= dict.fromkeys(("keep_network", "keep_epochs"), "has no network and no epochs")
    for name, what in lacks.items():
        if keeping[name]:
            raise InputError(f"--{name.replace('_', '-')}: peer {chosen['name']} {what}; leave it out")


def _chosen(choice: Path, options: str) -> tuple[str, str]:
    """The candidate of a choice, and `options`, a JSON object, with the candidate's overrides."""
    from ra_icl.evaluation.choice import read_choice
    from ra_icl.planning.methods import merge
    from ra_icl.planning.options import json_object

    found = read_choice(choice)
    return found["candidate"], json.dumps(merge(json_object(options, "options"), found["overrides"]))
