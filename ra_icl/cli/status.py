"""The command that says how far a run is."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ra_icl.cli import app
from ra_icl.evaluation.duration import duration

HEADER = ("folds", "done", "running", "stopped", "failed", "to go", "UF1", "UAR", "scores")
AGAIN = "the next run trains them again, or with --forcerun fold if the folder .snakemake was lost"
LISTED = 8  # folds of a kind that are named


@app.command()
def status(
    configfile: Annotated[
        list[Path] | None, typer.Option(help="the run's config file, read on top of config/config.yaml; repeat it")
    ] = None,
) -> None:
    """Say how far a run is, from the files in its results folder: while it runs or later, here or on a cluster.

    Per method and seed: folds that are done, running, stopped and failed, the time to go, and the scores over the folds
    that are done. Covers what `snakemake all` trains, and whatever else was begun. A fold counts as stopped if its log
    was silent for longer than ten epochs take; the next run resumes it.

    Example: ra-icl status --configfile config/demo.yaml
    """
    from ra_icl.planning.config import load_run
    from ra_icl.planning.status import status as read

    found = read(load_run(configfile or []))
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    _print_table(console, [group for group in found.groups if group.begun])
    for style, line in _lines(found):
        console.print(line, style=style, soft_wrap=True)


def _print_table(console, groups: list) -> None:
    """Print the table, on a terminal with bars if they fit; lines that are still too long break."""
    from rich.measure import Measurement

    for bars in (True, False) if console.is_terminal else (False,):
        table = _rich_table(groups, bars)
        width = Measurement.get(console, console.options.update(max_width=1000), table).maximum
        if width <= console.width:
            break
    console.width = max(width, console.width)
    console.print(table)


def _rich_table(groups: list, bars: bool):
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in HEADER:
        table.add_column(name, no_wrap=True, justify="left" if name in ("folds", "scores") else "right")
    if bars:
        table.add_column("")
    for group in groups:
        bar = [ProgressBar(group.total, len(group.finished), width=12)] if bars else []
        table.add_row(*_cells(group), *bar, style="red" if _counts(group)["failed"] else None)
    return table


def _counts(group) -> dict[str, int]:
    states = [fold.state for fold in group.started]
    return {state: states.count(state) for state in ("running", "stopped", "failed")}


def _cells(group) -> list[str]:
    """The texts of a row; 0 is left empty."""
    scores, done = group.scores(), len(group.finished)
    which = "" if not scores else "all folds" if done == group.total else "partial"
    to_go = "?" if group.seconds is None else duration(group.seconds)
    return [
        f"{group.protocol}/{group.method}" + (" inner folds" if group.seed is None else f"/seed{group.seed}"),
        f"{done}/{group.total}",
        *(str(count or "") for count in _counts(group).values()),
        "" if done == group.total else to_go,
        *(f"{100 * scores[name]:.2f}" if scores else "" for name in ("uf1", "uar")),
        which,
    ]


def _lines(found) -> Iterator[tuple[str | None, str]]:
    """(style, line) of everything below the table."""
    yield None, ""
    for note in found.notes:
        yield "yellow", f"Scores: {note}"
    for stage, (there, total) in found.stages.items():
        yield None, f"{stage}: {there} of {total} subjects"
    yield "bold", _summary(found)
    if outdated := sum(group.outdated for group in found.groups):
        yield "yellow", f"outdated: {outdated} folds are of other options or other flow; {AGAIN}"
    now = time.time()
    for state, style in (("failed", "red"), ("stopped", "yellow"), ("running", None)):
        folds = sorted((fold for fold in found.started if fold.state == state), key=lambda fold: -fold.time)
        for fold in folds[:LISTED]:
            yield style, f"{state}: {_told(fold, now)}"
        if folds[LISTED:]:
            yield style, f"{state}: {len(folds) - LISTED} more"
    waiting = [group for group in found.groups if not group.begun]
    if waiting:
        folds = sum(group.total for group in waiting)
        names: dict[str, dict[str, None]] = {}
        for group in waiting:
            names.setdefault(group.protocol, {})[group.method] = None
        listed = "; ".join(f"{protocol}: {', '.join(methods)}" for protocol, methods in names.items())
        yield None, f"not begun: {folds} folds; {listed}"


def _told(fold, now: float) -> str:
    """What is known of a fold that was begun, and where its log is."""
    parts = [f"epoch {fold.epoch}/{fold.epochs}"] if fold.epochs else []
    parts += [fold.reason] if fold.reason else []
    parts.append(f"last line {duration(max(0, now - fold.time))} ago")
    return f"{', '.join(parts)}; {fold.path}"


def _summary(found) -> str:
    """Folds of all groups, and the time to go."""
    done, total = (sum(numbers) for numbers in zip(*((len(g.finished), g.total) for g in found.groups), strict=True))
    states = [fold.state for fold in found.started]
    parts = [f"{done} of {total} folds done"]
    parts += [f"{states.count(state)} {state}" for state in ("running", "stopped", "failed") if state in states]
    text = ", ".join(parts)
    if done == total or found.seconds is None:
        return text
    unknown = ", ".join(found.unknown)
    if not found.seconds and unknown:
        return f"{text}; time to go not known before a fold of {unknown} ends"
    pace = f"{found.side_by_side} folds side by side" if found.side_by_side > 1 else "one fold at a time"
    text += f"; {duration(found.seconds)} to go with {pace} on {found.device}"
    return text + (f", without {unknown}, of which no fold was finished there" if unknown else "")
