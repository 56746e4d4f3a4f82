"""Commands that write the report's pages; `snakemake --report` puts them together."""

from pathlib import Path
from typing import Annotated

import typer

from ra_icl.cli import app
from ra_icl.cli.arguments import Out


@app.command("method-page")
def method_page(
    metrics: Annotated[Path, typer.Argument(help="metrics JSON of a method under a protocol")],
    out: Out,
    title: Annotated[str, typer.Option(help="what tables call the method")],
    overrides: Annotated[str, typer.Option(help="JSON object: the method's entry in the config")] = "{}",
) -> None:
    """Write the report's page of a method: scores and confusion matrix of every dataset, people, how it was trained.

    Example: ra-icl method-page results/demo/metrics/cde/m6.json --title "Ra-ICL (M6)" --out m6.html
    """
    from ra_icl.evaluation.method_page import write_method_page
    from ra_icl.planning.options import json_object

    write_method_page(metrics, out, title, json_object(overrides, "overrides"))


@app.command("run-page")
def run_page(
    metrics: Annotated[list[Path], typer.Argument(help="metrics JSON files of the run")],
    out: Out,
    config: Annotated[str, typer.Option(help="JSON object: the run's config, as its files give it together")] = "{}",
    titles: Annotated[str, typer.Option(help="JSON object: title by method name")] = "{}",
    benchmarks: Annotated[Path, typer.Option(help="folder of the run's measurements")] = Path("results/benchmarks"),
) -> None:
    """Write the report's page of the run: data, protocols, methods, seeds, commit, versions, times and config.

    Example: ra-icl run-page results/demo/metrics/*/*.json --benchmarks results/demo/benchmarks --out run.html
    """
    from ra_icl.evaluation.run_page import write_run_page
    from ra_icl.planning.config import load_run
    from ra_icl.planning.options import json_object

    defaults = load_run()
    write_run_page(metrics, out, json_object(config, "config"), defaults, json_object(titles, "titles"), benchmarks)
