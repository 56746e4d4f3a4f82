"""Commands that show and measure what trained networks look at."""

from pathlib import Path
from typing import Annotated

import typer

from ra_icl.cli import app
from ra_icl.cli.arguments import FigureOut, FlowFolder, Indexes, TableOut, folds_argument
from ra_icl.errors import InputError

Folds = Annotated[list[Path], folds_argument("CSV files of folds whose networks were kept beside them")]
Crops = Annotated[Path | None, typer.Option(help="folder crops/; published maps have none")]
Twins = Annotated[Path | None, typer.Option(help="folder twins/, where twins keep their true motion")]
Threads = Annotated[int, typer.Option(help="CPU threads", min=1)]
GRIDS = ("maps", "regions")


@app.command("attention-figure")
def attention_figure(
    grid: Annotated[
        str, typer.Argument(help="maps: CAM, Grad-CAM and Guided Grad-CAM | regions: the heatmaps of region discovery")
    ],
    folds: Folds,
    index: Indexes,
    flow: FlowFolder,
    dataset: Annotated[str, typer.Option(help="the dataset to show a class of")],
    label: Annotated[int, typer.Option(help="label of that class, from 0")],
    methods: Annotated[
        str,
        typer.Option(help="JSON object: title by method, in the order shown; the last one picks the surest sequences"),
    ],
    out: FigureOut,
    crops: Crops = None,
    twins: Twins = None,
    sequences: Annotated[
        str, typer.Option(help="JSON list of sequences to show instead of the surest, as subject/sequence")
    ] = "[]",
    threads: Threads = 1,
) -> None:
    """Draw what networks look at in held-out sequences of a class: Figures 5 and 12.

    Example: ra-icl attention-figure maps results/demo/folds/cde/m6/seed0/casme2-*.csv
    --index results/demo/index/casme2.csv --index results/demo/index/samm.csv --index results/demo/index/smic.csv
    --flow results/demo/flow/middle-4 --crops results/demo/crops --dataset casme2 --label 1
    --methods '{"m6": "Ra-ICL (M6)"}' --out attention
    """
    if grid not in GRIDS:
        raise InputError(f"{grid}: is no grid; choose one of {', '.join(GRIDS)}")
    from ra_icl.planning.options import json_list, json_object

    titles = {name: str(title) for name, title in json_object(methods, "methods").items()}
    parts = {name: [path for path in folds if path.parent.parent.name == name] for name in titles}
    lacking = next((name for name, found in parts.items() if not found), None)
    if lacking or not parts:
        raise InputError(f"--methods: no fold of {lacking or 'any method'} is given; name the folds of each method")
    named = list(map(str, json_list(sequences, "sequences")))

    import torch

    from ra_icl.attention import figures
    from ra_icl.attention.grids import shown_sequences
    from ra_icl.attention.sequences import Places

    torch.set_num_threads(threads)
    draw = figures.attention_figure if grid == "maps" else figures.regions_figure
    shown, facts = shown_sequences(parts, titles, Places(tuple(index), flow, crops, twins), dataset, label, named)
    draw(shown, dataset, facts, out)


@app.command("attention-measures")
def attention_measures(
    folds: Folds,
    index: Indexes,
    flow: FlowFolder,
    out: Annotated[Path, typer.Option(help="CSV to write, a row per held-out sequence")],
    crops: Crops = None,
    twins: Twins = None,
    threads: Threads = 1,
) -> None:
    """Measure where a method's networks look in held-out sequences, and how consistently.

    Example: ra-icl attention-measures results/demo/folds/cde/m6/seed0/*.csv --index results/demo/index/casme2.csv
    --index results/demo/index/samm.csv --index results/demo/index/smic.csv
    --flow results/demo/flow/middle-4 --out m6.csv
    """
    import torch
    from tqdm import tqdm

    from ra_icl.attention.measuring import write_measures
    from ra_icl.attention.sequences import Places

    torch.set_num_threads(threads)
    with tqdm(total=len(folds), desc="attention", unit="fold", disable=None) as bar:
        write_measures(folds, out, Places(tuple(index), flow, crops, twins), bar.update)


@app.command("attention-table")
def attention_table(
    measures: Annotated[list[Path], typer.Argument(help="CSV files of attention-measures, one per method")],
    out: TableOut,
    methods: Annotated[str, typer.Option(help="JSON object: {method: {title: ...}}")] = "{}",
) -> None:
    """Write the table of attention in numbers.

    `snakemake --cores all --configfile config/demo.yaml -- attention` makes what the example reads.

    Example: ra-icl attention-table results/demo/attention/cde/m2.csv results/demo/attention/cde/m6.csv
    --out attention
    """
    from ra_icl.attention.table import write_attention
    from ra_icl.planning.options import json_objects

    write_attention(measures, out, json_objects(methods, "methods"))
