"""Commands that draw what is not a table: sweeps, training curves, and what the distance from the apex matters."""

from pathlib import Path
from typing import Annotated

import typer

from ra_icl.cli import app
from ra_icl.cli.arguments import FigureOut, Indexes, folds_argument
from ra_icl.errors import InputError


@app.command()
def sweep(
    metrics: Annotated[list[Path], typer.Argument(help="metrics JSON files, one per value")],
    values: Annotated[str, typer.Option(help="JSON list of the values, in the order of the files")],
    title: Annotated[str, typer.Option(help="what is varied")],
    out: FigureOut,
    default: Annotated[str, typer.Option(help="JSON list: the one value to mark, that of the method itself")] = "[]",
    method: Annotated[str, typer.Option(help="title of the method")] = "",
) -> None:
    """Draw UF1 and UAR over the values of one key: Figures 6-10.

    Example: ra-icl sweep results/demo/metrics/cde/m6.json results/demo/metrics/cde/m9.json
    results/demo/metrics/cde/m10.json --values '["middle", "random", "uniform"]' --title sampling.mode
    --default '["middle"]' --out sampling
    """
    from ra_icl.evaluation.sweeps import sweep_figure
    from ra_icl.planning.options import json_list

    marked = json_list(default, "default")[:1] or [None]
    sweep_figure(json_list(values, "values"), metrics, title, out, *marked, method)


@app.command()
def curves(
    folds: Annotated[list[Path], folds_argument("CSV files of a method's folds, with the JSON of each beside it")],
    out: FigureOut,
    title: Annotated[str, typer.Option(help="of the method; its name if empty")] = "",
) -> None:
    """Draw how the trainings of a method went: loss terms, gradients, use of the regions.

    Draws the folds that are given, even while others still run.

    Example: ra-icl curves results/demo/folds/cde/m6/seed0/*.csv --out curves
    """
    from ra_icl.evaluation.curves import curves_figure

    curves_figure(folds, out, title)


@app.command()
def apex(
    folds: Annotated[
        list[Path],
        folds_argument("CSV files of folds of one protocol: of a method, then of others that look at the apex"),
    ],
    index: Indexes,
    out: FigureOut,
    sampling: Annotated[
        str, typer.Option(help='of the first method, JSON: {"mode": "middle", "instances": 16}')
    ] = "{}",
    titles: Annotated[str, typer.Option(help="JSON object: title by method name")] = "{}",
    sweep: Annotated[
        list[Path] | None, typer.Option(help="metrics JSON of the first method with one N; repeat it for each")
    ] = None,
    values: Annotated[str, typer.Option(help="JSON list of these N, in the order of the files")] = "[]",
    default: Annotated[str, typer.Option(help="JSON list: the one N to mark, that of the method itself")] = "[]",
) -> None:
    """Draw how much the window's distance from the apex matters: scores over N, hit rates over the distance.

    Sequences without an annotated apex, such as all of SMIC, are left out of the hit rates.

    Example: ra-icl apex results/demo/folds/cde/m6/seed0/*.csv results/demo/folds/cde/m7/seed0/*.csv
    --index results/demo/index/casme2.csv --index results/demo/index/samm.csv --index results/demo/index/smic.csv
    --sampling '{"instances": 4}' --out apex
    """
    from ra_icl.evaluation.apex_figure import apex_figure
    from ra_icl.flow.sampling import Sampling
    from ra_icl.planning.options import json_list, json_object, parse

    swept, marked = json_list(values, "values"), json_list(default, "default")
    if len(swept) != len(sweep or []):
        raise InputError(f"--values: holds {len(swept)} values for {len(sweep or [])} files of --sweep; give one each")
    points = {"sweep": dict(zip(swept, sweep or [], strict=True)), "default": marked[0] if marked else None}
    names = {name: str(title) for name, title in json_object(titles, "titles").items()}
    apex_figure(folds, index, parse(Sampling, sampling, "sampling"), out, names, **points)
