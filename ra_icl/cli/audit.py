"""Commands about printed scores: whether they can exist, and which of their differences a test could see."""

from pathlib import Path
from typing import Annotated

import typer

from ra_icl.cli import app
from ra_icl.cli.arguments import TableOut


@app.command()
def audit(
    scores: Annotated[Path, typer.Argument(help="CSV of printed scores in %, in the layout of config/published.csv")],
    out: TableOut,
    counts: Annotated[
        str, typer.Option(help="JSON object: sequences of each class by dataset; if empty, those of Tables 4 and 5")
    ] = "{}",
) -> None:
    """Check whether any set of predictions can have the scores that a table prints.

    Example: ra-icl audit config/published.csv --out audit
    """
    from ra_icl.evaluation.audit_table import write_audit
    from ra_icl.planning.options import json_object

    write_audit(scores, out, json_object(counts, "counts"))


@app.command()
def power(
    metrics: Annotated[list[Path], typer.Argument(help="metrics JSON files of two methods or more, same sequences")],
    out: TableOut,
    published: Annotated[Path | None, typer.Option(help="CSV of published rows; by default the clone's")] = None,
    simulations: Annotated[int, typer.Option(help="simulated experiments per question", min=1)] = 1000,
) -> None:
    """Simulate which differences in Table 3 a paired test over subjects could see, and how large one must be.

    Example: ra-icl power results/demo/metrics/cde/m1.json results/demo/metrics/cde/m6.json --out power
    """
    from ra_icl.evaluation.power_table import write_power
    from ra_icl.planning.places import in_clone

    write_power(metrics, published or in_clone("config/published.csv"), out, simulations)
