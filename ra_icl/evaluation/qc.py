"""Quality control: how odd each sequence looks, from its crops and its flow."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ra_icl import files
from ra_icl.datasets.index import TITLES
from ra_icl.datasets.names import original
from ra_icl.errors import InputError
from ra_icl.evaluation import pages
from ra_icl.evaluation.caveats import DATA, data_caveats

# A jump between neighbouring crops gets a remark above this share of the crop's width: about a pixel at 224 px,
# several times what a head moves in a frame.
JUMP = 0.005
# A window is quiet if its energy stays below this share of the sequence's peak,
QUIET = 0.5
# and without motion if even its liveliest places move less than this (pixels of the crop).
STILL = 0.1
# What was noticed when the frames were read (damage, a jump, a frozen run) counts more than all that merely looks odd.
SEEN = 20

# {column of the list: its title on the page}.
PRINTED = {
    **{"subject": "Person", "sequence": "Sequence", "emotion": "Emotion", "oddness": "Oddness", "remarks": "Remarks"},
    **{"found": "Aligned by", "attempt": "Try", "missing": "Frames missing"},
    **{"window_energy": "Window's energy", "liveliest": "Liveliest, px", "jump": "Jump"},
}
FORMATS = {"oddness": "{:.2f}", "window_energy": "{:.2f}", "liveliest": "{:.2f}", "jump": "{:.2%}"}
NOTES = (
    "Oddness: 0 if there is no remark; each adds at least 1",
    "Window's energy: the most that a sampled frame differs from the onset, as a share of the sequence's peak",
    "Liveliest: motion of the liveliest places in the window; jump: the largest shift between neighbouring crops, as a "
    "share of their width",
)


def motion_energy(clip: np.ndarray) -> np.ndarray:
    """How much each frame differs from the onset: mean absolute difference in grey levels, (T,) from (T, H, W[, 3]).

    Each frame's mean difference is subtracted first, so that light that rises alike everywhere does not count.
    """
    grey = _grey(clip)
    difference = grey - grey[0]
    difference -= difference.mean(axis=(1, 2), keepdims=True)
    return np.abs(difference).mean(axis=(1, 2))


def largest_jump(clip: np.ndarray) -> float:
    """The largest shift between neighbouring frames of (T, H, W[, 3]) in pixels, by phase correlation."""
    import cv2

    grey = _grey(clip)
    window = cv2.createHanningWindow(grey.shape[:0:-1], cv2.CV_32F)
    shifts = [cv2.phaseCorrelate(a, b, window)[0] for a, b in pairwise(grey)]
    return max((float(np.hypot(*shift)) for shift in shifts), default=0.0)


def _grey(clip: np.ndarray) -> np.ndarray:
    """(T, H, W) float32 from (T, H, W[, 3])."""
    grey = clip.astype(np.float32)
    return grey.mean(axis=-1) if grey.ndim == 4 else grey


def measure_sequence(
    clip: np.ndarray, flow: np.ndarray, crop: Mapping[str, Any], used: Mapping[str, Any], frames: int
) -> dict:
    """Measures and remarks of one sequence.

    clip: crops (T, H, W[, 3]); flow: maps (N, 3, H, W); crop, used: the sequence's entries in the
    metadata of the two files; frames: how many the sequence has from onset to offset, with those that are missing.
    Returns what the list and the figures show, as plain values.
    """
    energy = motion_energy(clip)
    magnitude = np.hypot(flow[:, 0].astype(np.float32), flow[:, 1].astype(np.float32))
    liveliest = float(np.percentile(magnitude, 99, axis=(1, 2)).max())
    inside = float(energy[used["positions"]].max() / max(energy.max(), 1e-6))
    measured = {
        "found": crop["found"],
        "attempt": crop.get("attempt", 1),
        "missing": frames - len(crop["frames"]),
        "window_energy": inside,
        "liveliest": liveliest,
        "jump": largest_jump(clip) / clip.shape[2],
        "frames": crop["frames"],
        "energy": energy.round(4).tolist(),
        "window": used["positions"],
        "apex": used["apex"],
        "marks": crop.get("marks", []),
        "motion": magnitude.mean(axis=(1, 2)).round(4).tolist(),
    }
    return measured | oddness(measured)


def oddness(measured: Mapping[str, Any]) -> dict:
    """{"oddness": from 0 up, "remarks": what is odd}; every remark adds at least 1, and more the odder it is."""
    remarks, score = [], 0.0
    if measured["found"] != "eyes" or measured["attempt"] > 1:
        what = {"eyes": "face", "box": "face, but no eyes,", "whole_frame": "no face"}[measured["found"]]
        remarks.append(f"{what} found at try {measured['attempt']}")
        score += measured["attempt"] + {"eyes": 0, "box": 1, "whole_frame": 3}[measured["found"]]
    if measured["window_energy"] < QUIET:
        remarks.append(f"window has {100 * measured['window_energy']:.0f} % of the peak energy")
        score += 2 - measured["window_energy"] / QUIET
    if measured["liveliest"] < STILL:
        remarks.append(f"window without motion ({measured['liveliest']:.2f} px)")
        score += 2 - measured["liveliest"] / STILL
    if measured["jump"] > JUMP:
        remarks.append(f"crop jumps by {100 * measured['jump']:.1f} % of its width")
        score += min(measured["jump"] / JUMP, 5)
    if measured["missing"]:
        remarks.append(f"{measured['missing']} frame{'s' * (measured['missing'] > 1)} missing")
        score += 1
    remarks += measured["marks"]
    score += SEEN * len(measured["marks"])
    return {"oddness": round(score, 3), "remarks": remarks}


def measure_subject(index: pd.DataFrame, crops: Path, flow: Path, out: Path) -> list[dict]:
    """Measure a subject's sequences (rows of `index`) and write them to the JSON file `out`.

    Raises InputError if crops or flow lack a sequence.
    """
    clips, crop_record = files.load_tensors(crops)
    maps, flow_record = files.load_tensors(flow)
    found = []
    for row in index.itertuples():
        for path, tensors in ((crops, clips), (flow, maps)):
            if row.sequence not in tensors:
                raise InputError(f"{path}: lacks {row.subject}/{row.sequence}; {files.RERUN}")
        if clips[row.sequence].dtype != np.uint8 or maps[row.sequence].dtype != np.float16:
            raise InputError(f"{crops} and {flow}: are not crops and their flow; give them in this order")
        records = crop_record["sequences"][row.sequence], flow_record["sequences"][row.sequence]
        identity = {"dataset": row.dataset, "subject": row.subject, "sequence": row.sequence, "emotion": row.emotion}
        # Without an annotated apex, the one in the flow file is only the midpoint.
        annotated = {} if not pd.isna(row.apex) else {"apex": None}
        total = int(row.offset - row.onset + 1)
        measured = measure_sequence(clips[row.sequence], maps[row.sequence], records[0], records[1] | annotated, total)
        found.append(identity | measured)
    files.write_json(out, found)
    return found


def rank(measures: Sequence[Path], out_stem: Path, data_source: str) -> pd.DataFrame:
    """List all sequences, the oddest first, as `out_stem`.csv and .html; returns the list.

    A column `data` (real or synthetic) and the title of the page say what the sequences are.
    """
    shown = ["dataset", "subject", "sequence", "emotion", "oddness", "remarks", "found", "attempt", "missing"]
    shown += ["window_energy", "liveliest", "jump"]
    table = pd.DataFrame([row for path in measures for row in _read_measures(path, shown)])[shown]
    table["remarks"] = table["remarks"].map("; ".join)
    table = table.sort_values(["oddness", "subject", "sequence"], ascending=[False, True, True], ignore_index=True)
    table = table.round({"window_energy": 3, "liveliest": 3, "jump": 5})
    table.insert(0, "data", DATA[data_source])
    files.write_csv(f"{out_stem}.csv", table)
    title = f"{', '.join(TITLES[name] for name in table['dataset'].unique())}: all sequences, the oddest first"
    shown = {name: table[name].map(form.format) for name, form in FORMATS.items()}
    printed = table.assign(subject=table["subject"].map(original), **shown)[list(PRINTED)].rename(columns=PRINTED)
    body = [pages.rows(printed.astype(str)), pages.bullets(NOTES), pages.downloads([f"{out_stem}.csv"])]
    pages.write_page(f"{out_stem}.html", title, body, data_caveats(data_source))
    return table


def _read_measures(path: Path, keys: Sequence[str]) -> list[dict]:
    """The rows of a file that `measure_subject` wrote. Raises InputError if it holds anything else."""
    rows = files.read_json(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.keys() >= set(keys) for row in rows):
        raise InputError(f"{path}: holds no measures of `ra-icl qc-subject`; {files.RERUN}")
    return rows
