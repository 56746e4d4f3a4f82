"""Pages of the report: HTML files that need nothing else, seen alone or inside the report, offline too."""

import base64
import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

from ra_icl import files

# Scoped, because the report's start page takes the page of the run into itself.
STYLE = """
.page { font: 15px/1.5 system-ui, sans-serif; color: #1e293b; max-width: 76rem; padding: 1rem 1.5rem 3rem; }
.page h1 { font-size: 1.5rem; line-height: 1.25; font-weight: 650; margin: .5rem 0; }
.page h2 { font-size: 1.1rem; font-weight: 650; margin: 2rem 0 .5rem; }
.page h3 { font-size: 1rem; font-weight: 650; margin: 1rem 0 .3rem; }
.page p, .page ul { max-width: 52rem; margin: .5rem 0; }
.page ul { padding-left: 1.2rem; list-style: disc; }
.page li { margin: .15rem 0; }
.page a { color: #0369a1; text-decoration: underline; }
.page .caveat, .page blockquote { background: #fef3c7; border-left: 4px solid #d97706; }
.page .caveat, .page blockquote { padding: .3rem .8rem; width: fit-content; margin: .5rem 0; }
.page .wide { overflow-x: auto; margin: .8rem 0; }
.page table { border-collapse: collapse; font-size: .9em; margin: 0; width: auto; font-variant-numeric: tabular-nums; }
.page > table { margin: .8rem 0; overflow-wrap: anywhere; }
.page th, .page td { padding: .3rem .7rem; border-bottom: 1px solid #e2e8f0; text-align: left; vertical-align: top; }
.page thead th { border-bottom: 2px solid #64748b; vertical-align: bottom; font-weight: 600; }
.page tbody tr:hover { background: #f1f5f9; }
.page .number { text-align: right; white-space: nowrap; }
.page td small { color: #64748b; font-size: .85em; }
.page .side { display: flex; flex-wrap: wrap; gap: 0 3rem; }
.page .confusion td, .page .confusion th { border: 2px solid white; padding: .5rem .4rem; text-align: center; }
.page .confusion td { min-width: 4.2rem; line-height: 1.2; }
.page .confusion th { font-weight: 400; vertical-align: middle; }
.page .confusion th:first-child { text-align: right; }
.page .confusion tr:hover { background: none; }
.page details { margin: .6rem 0; }
.page summary { cursor: pointer; color: #0369a1; }
.page pre { font-size: .8rem; line-height: 1.35; white-space: pre-wrap; background: #f8fafc; padding: .8rem; }
.page pre, .page code { color: #1e293b; }
"""
MIMES = {".csv": "text/csv", ".md": "text/markdown", ".tex": "text/x-tex", ".json": "application/json"}
# A value, and what follows it: a deviation, an interval, a device, a count of the paper.
NUMBER = re.compile(r"([+−-]?[0-9][^_]*?)((?: ± [0-9.]+)?(?: [(\[].*)?)|–")


def write_page(path: Path, title: str, body: Iterable[str], said: Iterable[str] = ()) -> None:
    """Write a page, atomically. title: a line of text; body: pieces of HTML; said: caveats below the title, text."""
    head = [f"<h1>{escape(title)}</h1>", *(f'<p class="caveat">{escape(one)}</p>' for one in said)]
    text = "\n".join(
        [
            f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>',
            f'<style>{STYLE}</style>\n<main class="page">',
            *head,
            *body,
            "</main></html>\n",
        ]
    )
    with files.atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def rows(frame: pd.DataFrame, strong: pd.DataFrame | None = None) -> str:
    """A table of text cells. strong: of the same columns, "textbf" or "underline" where a value stands out."""
    numeric = [column for column in frame if all(map(NUMBER.fullmatch, frame[column]))]
    sides = [' class="number"' if column in numeric else "" for column in frame]
    header = "".join(f"<th{side}>{_heading(column, side)}</th>" for column, side in zip(frame, sides, strict=True))
    marks = np.full(frame.shape, "") if strong is None else strong[list(frame)].to_numpy()
    lines = []
    for cells, marked in zip(frame.to_numpy(), marks, strict=True):
        texts = zip(cells, marked, sides, strict=True)
        lines.append("".join(f"<td{side}>{_cell(cell, mark)}</td>" for cell, mark, side in texts))
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="wide"><table><thead><tr>{header}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def _heading(title: str, side: str) -> str:
    """A column's title; over numbers its last word has a line of its own, so that the column is narrow."""
    return "<br>".join(map(escape, title.rsplit(" ", 1))) if side else escape(title)


def _cell(text: str, mark: str) -> str:
    """A cell as HTML: the value, marked if it stands out; what follows it in small print."""
    number = NUMBER.fullmatch(text)
    value, rest = number.groups() if number and number[1] else (text, "")
    tag = {"textbf": "strong", "underline": "u"}.get(mark)
    shown = f"<{tag}>{escape(value)}</{tag}>" if tag else escape(value)
    return shown + (f"<small>{escape(rest)}</small>" if rest else "")


def confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    """A confusion matrix (C, C) of counts, true classes in rows: in each cell % of the row and the count."""
    counts = np.asarray(matrix)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    header = "".join(f"<th>{escape(name)}</th>" for name in classes)
    lines = [f"<tr><th>true \\ predicted</th>{header}</tr>"]
    for name, *row in zip(classes, share, counts, strict=True):
        lines.append(f"<tr><th>{escape(name)}</th>{''.join(map(_shade, *row))}</tr>")
    return f'<div class="wide"><table class="confusion">{"".join(lines)}</table></div>'


def _shade(share: float, count: int) -> str:
    """A cell whose blue grows with the share, its text readable on it: at 0.8 black and white have 4.5:1 alike."""
    colour = f"background: rgba(0, 90, 160, {share:.2f}); color: {'white' if share > 0.8 else 'black'}"
    return f'<td style="{colour}">{100 * share:.1f} %<br>({count})</td>'


def bullets(notes: Iterable[str]) -> str:
    """Notes as a list; nothing if there are none."""
    items = "".join(f"<li>{escape(note)}.</li>" for note in notes)
    return f"<ul>{items}</ul>" if items else ""


def folded(summary: str, body: str) -> str:
    """A part that opens on a click."""
    return f"<details><summary>{escape(summary)}</summary>\n{body}\n</details>"


def downloads(paths: Iterable[Path]) -> str:
    """Links that save files, which the page holds itself."""
    links = []
    for path in map(Path, paths):
        data = base64.b64encode(path.read_bytes()).decode()
        kind = MIMES.get(path.suffix, "text/plain")
        links.append(f'<a download="{escape(path.name)}" href="data:{kind};base64,{data}">{escape(path.name)}</a>')
    return f"<p>Save as {', '.join(links)}</p>"
