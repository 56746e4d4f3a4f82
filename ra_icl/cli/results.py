"""Commands from folds to scores, tables and figures."""

from pathlib import Path
from typing import Annotated

import typer

from ra_icl.cli import app
from ra_icl.cli.arguments import (
    Classes,
    DataSource,
    FigureOut,
    LeftOut,
    Out,
    Protocol,
    TableOut,
    class_names,
    counts_of,
    folds_argument,
    use_gpu,
)
from ra_icl.errors import InputError


@app.command()
def metrics(
    folds: Annotated[list[Path], folds_argument("CSV files of the folds")],
    out: Out,
    protocol: Protocol,
    method: Annotated[str, typer.Option(help="method that the folds were trained with")],
    classes: Classes = "[]",
    index: Annotated[
        list[Path] | None, typer.Option(help="index CSV; repeat it for each dataset, so that a missing fold is noticed")
    ] = None,
    left_out: LeftOut = "{}",
    choice: Annotated[
        list[Path] | None, typer.Option(help="choice that folds of the method took, for the notes; repeat it")
    ] = None,
) -> None:
    """Pool the predictions of all folds into UF1, UAR, accuracy and confusion matrices.

    Example: ra-icl metrics results/demo/folds/cde/m6/seed0/*.csv --protocol cde --method m6 --out m6.json
    --index results/demo/index/casme2.csv --index results/demo/index/samm.csv --index results/demo/index/smic.csv
    """
    from ra_icl.evaluation.choice import selections_of
    from ra_icl.evaluation.metrics import aggregate

    known = class_names(protocol, classes)
    data = {"indexes": index or [], "left_out": counts_of(left_out)}
    chosen = selections_of(choice or [])
    aggregate(folds, out, classes=known, protocol=protocol, method=method, selections=chosen, **data)


@app.command()
def choose(
    folds: Annotated[list[Path], folds_argument("CSV files of all candidates' inner folds")],
    out: Out,
    candidates: Annotated[str, typer.Option(help="JSON object: overrides by candidate, in the order that breaks ties")],
    protocol: Protocol,
    method: Annotated[str, typer.Option(help="method that the choice is for; its candidates are {method}.{candidate}")],
    group: Annotated[str, typer.Option(help="group of subjects that the choice is for, such as group1")],
    classes: Classes = "[]",
) -> None:
    """Choose a group's options by inner folds, which have not seen the group.

    `snakemake select` trains the inner folds of a config that has the candidates under `selection`.

    Example: ra-icl choose results/folds/cde/m6.*/seed0/group1of5-*.csv --protocol cde --method m6 --group group1
    --candidates '{"base": {}, "slow": {"training": {"learning_rate": 0.0003}}}' --out group1.json
    """
    from ra_icl.evaluation import choice
    from ra_icl.planning.options import json_objects

    known, grid = class_names(protocol, classes), json_objects(candidates, "candidates")
    choice.choose(folds, out, candidates=grid, protocol=protocol, method=method, group=group, classes=known)


@app.command()
def table(
    name: Annotated[str, typer.Argument(help="1, 2, 3, 3_controls, ensembles, peers, peers_casme3, cross or own")],
    metrics: Annotated[list[Path], typer.Argument(help="metrics JSON files")],
    out: TableOut,
    methods: Annotated[str, typer.Option(help="JSON object: title and marks by method name")],
    published: Annotated[
        Path | None, typer.Option(help="CSV of published rows; config/published.csv of the clone by default")
    ] = None,
) -> None:
    """Write a table of scores: 1 to 3 of the paper, controls, ensembles, peers, across datasets, or of your own data.

    Example: ra-icl table 1 results/demo/metrics/cde/m6.json --methods '{"m6": {"title": "M6"}}' --out table1
    """
    from ra_icl.evaluation.tables import write_table
    from ra_icl.planning.options import json_objects
    from ra_icl.planning.places import in_clone

    rows = published or in_clone("config/published.csv")
    write_table(name, metrics, rows, out, json_objects(methods, "methods"))


@app.command()
def differences(
    metrics: Annotated[list[Path], typer.Argument(help="metrics JSON files, one per method")],
    out: TableOut,
    reference: Annotated[str, typer.Option(help="method that the others are compared with")] = "m6",
    methods: Annotated[str, typer.Option(help="JSON object: title by method name")] = "{}",
) -> None:
    """Compare every method with one of them: differences with intervals and p-values.

    Example: ra-icl differences results/demo/metrics/cde/m6.json results/demo/metrics/cde/m2.json --out differences
    """
    from ra_icl.evaluation.differences import write_differences
    from ra_icl.planning.options import json_objects

    write_differences(metrics, out, reference, json_objects(methods, "methods"))


@app.command()
def combine(
    folds: Annotated[list[Path], folds_argument("CSV of the same fold of each member, with .views.csv beside it")],
    out: Out,
    view: Annotated[str, typer.Option(help="what members predict from: middle, all, middle_mirror or all_mirror")],
    protocol: Protocol,
    method: Annotated[str, typer.Option(help="name of the ensemble, for the record")],
    seed: Annotated[int, typer.Option(help="seed of the ensemble, for the record")] = 0,
    classes: Classes = "[]",
) -> None:
    """Average the probabilities of several trainings of a fold.

    `snakemake ensembles` trains the members of a config that has some under `ensembles`, and keeps their .views.csv.

    Example: ra-icl combine results/folds/cde/m6/seed*/samm-006.csv --view middle --protocol cde --method m6_seeds
    --out samm-006.csv
    """
    from ra_icl.evaluation.ensemble import combine as write

    known = class_names(protocol, classes)
    write(folds, out, view=view, method=method, seed=seed, classes=len(known))


@app.command()
def leak(
    metrics: Annotated[list[Path], typer.Argument(help="metrics JSON files, one per method listed under keep_epochs")],
    folds: Annotated[Path, typer.Option(help="folder folds/ of the run")],
    out: Annotated[
        Path, typer.Option(help="path of the table without suffix; writes .csv, .md, .tex, .notes.md and .html")
    ],
    figure: Annotated[Path, typer.Option(help="path of the figure without suffix; writes .pdf and .png")],
    methods: Annotated[str, typer.Option(help="JSON object: {method: {title: ...}}")] = "{}",
) -> None:
    """Show how much the scores of the same trainings gain if the epoch is chosen on the held-out subjects.

    `snakemake leak` trains the methods that the config has under `keep_epochs`, and keeps what it takes.

    Example: ra-icl leak results/metrics/cde/m6.json --folds results/folds --out leak --figure leak-epochs
    """
    from ra_icl.evaluation.leak import write_leak
    from ra_icl.planning.options import json_objects

    write_leak(metrics, folds, out, figure, json_objects(methods, "methods"))


@app.command()
def cost(
    metrics: Annotated[list[Path], typer.Argument(help="metrics JSON files, one per method")],
    methods: Annotated[str, typer.Option(help="JSON object: {method: {title, options, size, instances}}")],
    out: TableOut,
    device: Annotated[str, typer.Option(help="on which the prediction of a clip is timed: auto, cuda or cpu")] = "auto",
) -> None:
    """Count what each method costs: parameters, operations, seconds, memory and flow maps.

    Example: ra-icl cost results/demo/metrics/cde/m1.json --out cost
    --methods '{"m1": {"title": "M1", "options": {}, "size": 224, "instances": 1}}'
    """
    use_gpu(device)
    from ra_icl.planning.cost import write_costs
    from ra_icl.planning.options import json_objects
    from ra_icl.training.device import explaining_memory

    with explaining_memory():
        write_costs(json_objects(methods, "methods"), metrics, out, device)


@app.command()
def counts(
    number: Annotated[str, typer.Argument(help="4 (CDE) or 5 (CAS(ME)³)")],
    index: Annotated[list[Path], typer.Argument(help="index CSV of each dataset of the table")],
    out: TableOut,
    data_source: DataSource,
    left_out: LeftOut = "{}",
) -> None:
    """Count sequences and subjects per class: Table 4 or 5.

    Example: ra-icl counts 5 results/demo/index/casme3.csv --data-source twins --out table5
    """
    from ra_icl.datasets.index import read_index_csvs
    from ra_icl.evaluation.count_tables import write_counts

    write_counts(number, read_index_csvs(index), out, data_source, counts_of(left_out))


@app.command()
def confusion(
    figure: Annotated[str, typer.Argument(help="4 (CDE), 11 (CAS(ME)³) or own")],
    metrics: Annotated[list[Path], typer.Argument(help="metrics JSON files")],
    out: FigureOut,
    title: Annotated[str, typer.Option(help="of the method; its name if empty")] = "",
) -> None:
    """Draw the confusion matrices of Figure 4, Figure 11 or your own data.

    Example: ra-icl confusion 4 results/demo/metrics/cde/m6.json --out figure4
    """
    from ra_icl.evaluation.figures import figure4, figure11, figure_own

    figures = {"4": lambda: figure4(metrics[0], out, title), "11": lambda: figure11(metrics, out, title)}
    figures["own"] = lambda: figure_own(metrics[0], out, title)
    if figure not in figures:
        raise InputError(f"figure {figure}: not a figure of confusion matrices; choose 4, 11 or own")
    if figure != "11" and len(metrics) > 1:
        raise InputError(
            f"figure {figure}: shows one metrics JSON, but {len(metrics)} are given; draw one figure of each"
        )
    figures[figure]()
