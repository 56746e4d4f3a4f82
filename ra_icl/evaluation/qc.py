"""Quality control: how odd each sequence looks, from its crops and its flow."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ra_icl import files
from ra_icl.errors import InputError

# A jump between neighbouring crops is remarkable from this share of the crop's width on: about a
# pixel at 224 px, several times what a head moves in a frame.
JUMP = 0.005
# A window is quiet where its energy stays below this share of the sequence's highest.
QUIET = 0.5
# Or where even its liveliest places move less than this (pixels of the crop).
STILL = 0.1


def motion_energy(clip: np.ndarray) -> np.ndarray:
    """How much each frame differs from the onset: mean absolute difference in grey levels, (T,) from (T, H, W[, 3]).

    The mean difference of a frame is taken out first, so that a change of light is no motion.
    """
    grey = clip.astype(np.float32)
    grey = grey.mean(axis=-1) if grey.ndim == 4 else grey
    difference = grey - grey[0]
    difference -= difference.mean(axis=(1, 2), keepdims=True)
    return np.abs(difference).mean(axis=(1, 2))


def largest_jump(clip: np.ndarray) -> float:
    """The largest shift between neighbouring frames of (T, H, W[, 3]) in pixels, by phase correlation."""
    import cv2

    grey = clip.astype(np.float32)
    grey = grey.mean(axis=-1) if grey.ndim == 4 else grey
    window = cv2.createHanningWindow(grey.shape[:0:-1], cv2.CV_32F)
    shifts = [cv2.phaseCorrelate(a, b, window)[0] for a, b in pairwise(grey)]
    return max((float(np.hypot(*shift)) for shift in shifts), default=0.0)


def measure_sequence(clip: np.ndarray, flow: np.ndarray, crop: Mapping[str, Any], used: Mapping[str, Any]) -> dict:
    """Measures and remarks of one sequence.

    clip: crops (T, H, W[, 3]); flow: maps (N, 3, H, W); crop, used: the sequence's entries in the
    metadata of the two files. Returns what the list and the figures show, as plain values.
    """
    energy = motion_energy(clip)
    magnitude = np.hypot(flow[:, 0].astype(np.float32), flow[:, 1].astype(np.float32))
    liveliest = float(np.percentile(magnitude, 99, axis=(1, 2)).max())
    inside = float(energy[used["positions"]].max() / max(energy.max(), 1e-6))
    measured = {
        "found": crop["found"],
        "attempt": crop.get("attempt", 1),
        "missing": int(crop["frames"][-1] - crop["frames"][0] + 1 - len(crop["frames"])),
        "window_energy": inside,
        "liveliest": liveliest,
        "jump": largest_jump(clip) / clip.shape[2],
        "frames": crop["frames"],
        "energy": energy.round(4).tolist(),
        "window": used["positions"],
        "apex": used["apex"],
        "motion": magnitude.mean(axis=(1, 2)).round(4).tolist(),
    }
    return measured | oddness(measured)


def oddness(measured: Mapping[str, Any]) -> dict:
    """{"oddness": 0 and up, "remarks": what is odd}; every remark adds 1 and the more, the odder it is."""
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
        remarks.append(f"{measured['missing']} frames missing")
        score += 1
    return {"oddness": round(score, 3), "remarks": remarks}


def measure_subject(index: pd.DataFrame, crops: Path, flow: Path, out: Path) -> list[dict]:
    """Measure a subject's sequences (rows of `index`) and write them to the JSON file `out`.

    Raises InputError where crops or flow lack a sequence.
    """
    clips, crop_record = files.load_tensors(crops)
    maps, flow_record = files.load_tensors(flow)
    found = []
    for row in index.itertuples():
        for path, tensors in ((crops, clips), (flow, maps)):
            if row.sequence not in tensors:
                raise InputError(f"{path}: lacks {row.subject}/{row.sequence}; delete it and run again")
        records = crop_record["sequences"][row.sequence], flow_record["sequences"][row.sequence]
        identity = {"dataset": row.dataset, "subject": row.subject, "sequence": row.sequence, "emotion": row.emotion}
        # The flow's apex is a stand-in where none is annotated.
        annotated = {} if not pd.isna(row.apex) else {"apex": None}
        measured = measure_sequence(clips[row.sequence], maps[row.sequence], records[0], records[1] | annotated)
        found.append(identity | measured)
    files.write_json(out, found)
    return found


def rank(measures: Sequence[Path], out_stem: Path) -> pd.DataFrame:
    """List all sequences, the oddest first, as `out_stem`.csv and .html; returns the list."""
    rows = [row for path in measures for row in files.read_json(path)]
    shown = ["dataset", "subject", "sequence", "emotion", "oddness", "remarks", "found", "attempt", "missing"]
    table = pd.DataFrame(rows)[[*shown, "window_energy", "liveliest", "jump"]]
    table["remarks"] = table["remarks"].map("; ".join)
    table = table.sort_values(["oddness", "subject", "sequence"], ascending=[False, True, True], ignore_index=True)
    table = table.round({"window_energy": 3, "liveliest": 3, "jump": 5})
    files.write_csv(f"{out_stem}.csv", table)
    with files.atomic(f"{out_stem}.html") as temporary:
        temporary.write_text(table.to_html(index=False, border=0, na_rep=""), encoding="utf-8")
    return table
