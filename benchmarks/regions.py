"""Does region discovery see regions? Heatmaps of kept networks against the true motion of the study's twins.

    python benchmarks/regions.py results/study/seed1 results/study/seed2 \
        [--methods m6 m6_sharp m6_cited] [--out results/benchmarks/regions.json]

Each network of `folds/{protocol}/{method}/seed*/` sees the sequences that its fold held out, of each the middle
instance: inference uses it, and the others are much like it. P (Eq. 8) is taken in evaluation mode at the method's
assignment temperature. Several result folders may be given, of other twin seeds; medians and quartiles are over all
networks and, for what each query has, over their queries.

P is enlarged bilinearly to the crop, each cell of the feature map covering its share of the picture. So the masks of
the active regions and a fixed grid of as many cells as queries keep their edges, and P still sums to 1 over the
queries. A region is active where its fields move the skin in the frame of that instance.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from region_measures import (
    agreement,
    chance_information,
    fixed_share,
    following,
    grid,
    information,
    others,
    subject_means,
    winners,
)
from scipy.stats import entropy
from torch.nn import functional

from ra_icl.attention.measures import shares
from ra_icl.attention.sequences import kept_network, known_motion, rows_of, sampled
from ra_icl.datasets.protocols import PROTOCOLS
from ra_icl.errors import InputError
from ra_icl.files import write_json
from ra_icl.flow.sampling import middle_instance
from ra_icl.model.regions import region_heatmaps
from ra_icl.model.siamese import Branch
from ra_icl.training.instances import load_instances
from ra_icl.twins.truth import truth_file

# Column -> where `_region` keeps it.
SHARE_COLUMNS = {
    "share of a query's heatmap inside it": ("queries", "share"),
    "best query": ("queries", "best"),
    "best query, masks of other images": ("shuffled", "best"),
    "best cell of a fixed grid": ("grid", "best"),
}
BIT_COLUMNS = {
    "told by the query that wins a pixel": ("queries", "won"),
    "masks of other images": ("shuffled", "won"),
    "masks moved at random": ("queries", "chance"),
    "told by P": ("queries", "assigned"),
    "told by the grid": ("grid", "won"),
    "grid, masks moved at random": ("grid", "chance"),
}
ROWS = {
    "subjects_same_query": "correlation of the mean heatmaps of two subjects, same query",
    "subjects_other_query": "the same, different queries",
    "images_same_subject": "correlation of the heatmaps of two images, same query, one subject",
    "images_other_subject": "the same, two subjects",
    "fixed_share": "share of the variance of P that its mean picture explains ({noise:.3f} if nothing)",
    "stayed": "input moved by {moved:.2f} of its width: correlation of the heatmap with the unmoved one",
    "followed": "the same, with the one moved along",
    "itself": "correlation of the unmoved heatmap with the one moved along",
    "entropy": "entropy of P in nats (ln {queries} = {uniform:.3f} if uniform)",
    "largest": "largest P",
    "spread": "standard deviation of S over the queries",
}
REGIONS = {"first": ("first",), "second": ("second",), "either": ("first", "second")}  # the roles of each


@dataclass(frozen=True)
class HeldOut:
    """What a network makes of the I sequences that its fold held out.

    similarity: S (I, N, h, w). heatmaps, moved: P (I, N, h, w) of the input, and of the input moved to the right by
    `columns` columns of the feature map. masks: {region: (I, H, W)}. subjects: (I,), dataset/subject.
    """

    similarity: np.ndarray
    heatmaps: np.ndarray
    moved: np.ndarray
    columns: int
    masks: dict[str, np.ndarray]
    subjects: np.ndarray


def look(path: Path, results: Path, sampling: str) -> HeldOut:
    """Show a kept network the held-out sequences of its fold. Raises InputError if something is missing or unfit."""
    kept = kept_network(path)
    network, fold = kept.network, kept.fold
    if network.regions is None:
        raise InputError(f"{path}: has no region discovery (loss.regions: 0); name methods that have it")
    table, _ = rows_of(fold, tuple(results / "index" / f"{name}.csv" for name in PROTOCOLS[fold.protocol].datasets))
    sets = load_instances(table, results / "flow" / sampling, kept.input, "cpu")
    maps = sets.maps[sets.middle_instances()[0]].float()  # (I, 3, H, W)
    similarity, heatmaps = _heatmaps(network, maps)
    width = similarity.shape[-1]
    columns = -(-width // 4)
    # In a circle, so that the same values enter the network; by whole cells, since no other move can be followed.
    _, moved = _heatmaps(network, maps.roll(columns * maps.shape[-1] // width, dims=3))
    masks = _masks(table, results, sampling, maps.shape[-1])
    subjects = (table["dataset"] + "/" + table["subject"]).to_numpy()
    return HeldOut(similarity, heatmaps, moved, columns, masks, subjects)


@torch.no_grad()
def _heatmaps(network: Branch, maps: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    similarity = network(maps).similarity
    heatmaps = region_heatmaps(similarity, network.options.regions.temperature)
    return similarity.double().numpy(), heatmaps.double().numpy()


def _masks(table: Any, results: Path, sampling: str, size: int) -> dict[str, np.ndarray]:
    """{region: (I, size, size)}, where the regions of every sequence are active in the frame of its middle instance."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in REGIONS}
    for row in table.itertuples():
        truth, transform = known_motion(results / "twins", results / "crops", row)
        if not truth.parts:
            path = truth_file(results / "twins" / row.dataset, row.subject, row.sequence)
            raise InputError(f"{path}: does not tell the regions apart; give a run of twins.census: study")
        frames = sampled(results / "flow" / sampling, row).numbers
        position = frames[middle_instance(len(frames))] - truth.onset
        roles = {role: truth.crop_region(role, transform, size, position) for role in ("first", "second")}
        for name, parts in REGIONS.items():
            found[name].append(np.any([roles[role] for role in parts], axis=0))
    return {name: np.stack(masks).astype(float) for name, masks in found.items()}


def measure(held: HeldOut) -> dict[str, Any]:
    """Every measure of one network; lists have an entry per query."""
    size = next(iter(held.masks.values())).shape[1:]
    queries = held.heatmaps.shape[1]
    large = functional.interpolate(torch.from_numpy(held.heatmaps), size, mode="bilinear", align_corners=False).numpy()
    means, names = subject_means(large, held.subjects)
    subjects, images = agreement(means, names), agreement(large, held.subjects)
    cells = np.broadcast_to(grid(queries, *size), large.shape)
    return {
        "images": len(large),
        "queries": queries,
        "subjects": len(names),
        "moved_by": held.columns / held.heatmaps.shape[-1],
        "regions": {name: _region(large, cells, masks) for name, masks in held.masks.items()},
        "subjects_same_query": subjects["other_subject"],
        "subjects_other_query": subjects["other_query"],
        "images_same_subject": images["same_subject"],
        "images_other_subject": images["other_subject"],
        "fixed_share": fixed_share(large),
        **following(held.heatmaps, held.moved, held.columns),
        "entropy": entropy(held.heatmaps, axis=1).mean(),
        "largest": held.heatmaps.max(),
        "spread": held.similarity.std(axis=1).mean(),
    }


def _region(heatmaps: np.ndarray, cells: np.ndarray, masks: np.ndarray) -> dict[str, Any]:
    """How queries and grid fit one region, over the images in which it is active; without these, nothing."""
    shown = masks.any(axis=(1, 2))
    if not shown.any():
        return {"images": 0}
    masks, shuffled = masks[shown], others(masks[shown])
    area = masks.mean()
    found = {"images": int(shown.sum()), "area": area, "bits": entropy([area, 1 - area], base=2)}
    for name, maps, seen in (
        ("queries", heatmaps[shown], masks),
        ("shuffled", heatmaps[shown], shuffled),
        ("grid", cells[shown], masks),
    ):
        share, won = shares(maps, seen).mean(axis=0), winners(maps)
        found[name] = {"share": share, "best": share.max(), "won": information(won, seen)}
        found[name]["assigned"] = information(maps, seen)
        if name != "shuffled":
            found[name]["chance"] = chance_information(won, seen, np.random.default_rng(0))
    return found


def summarise(networks: list[Any]) -> Any:
    """Median and quartiles, over networks and, where there is a value per query, over queries."""
    if isinstance(networks[0], dict):
        names = dict.fromkeys(name for network in networks for name in network)
        return {name: summarise([network[name] for network in networks if name in network]) for name in names}
    values = np.concatenate([np.atleast_1d(network) for network in networks]).astype(float)
    values = values[np.isfinite(values)]
    return [float(value) for value in np.percentile(values, (50, 25, 75))] if values.size else None


def tables(method: str, networks: list[dict[str, Any]]) -> str:
    """The measures of a method as three Markdown tables."""
    found = summarise(networks)
    queries, images = networks[0]["queries"], sum(network["images"] for network in networks)
    title = f"{method} on synthetic twins: {len(networks)} networks, {queries} queries, {images} held-out sequences"
    regions = {name: region for name, region in found["regions"].items() if "area" in region}
    share = [
        [name, f"{region['area'][0]:.3f}", *(_shown(region[column][key]) for column, key in SHARE_COLUMNS.values())]
        for name, region in regions.items()
    ]
    bits = [
        [name, f"{region['bits'][0]:.3f}", *(_shown(region[column][key]) for column, key in BIT_COLUMNS.values())]
        for name, region in regions.items()
    ]
    rows = [[words.format(**_facts(networks)), _shown(found[key])] for key, words in ROWS.items()]
    return "\n\n".join(
        [
            f"### {title}",
            _markdown(["active region", "covers", *SHARE_COLUMNS], share),
            _markdown(["active region", "bits in all", *BIT_COLUMNS], bits),
            _markdown(["median (quartiles)", "queries"], rows),
        ]
    )


def _facts(networks: list[dict[str, Any]]) -> dict[str, Any]:
    """What the words of `ROWS` name."""
    images = np.mean([network["images"] for network in networks])
    queries = networks[0]["queries"]
    return {"noise": 1 / images, "queries": queries, "uniform": np.log(queries), "moved": networks[0]["moved_by"]}


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def _shown(quartiles: list[float] | None) -> str:
    return "–" if quartiles is None else "{:.3f} ({:.3f} to {:.3f})".format(*quartiles)


def _plain(value: Any) -> Any:
    """A value as JSON has it: lists for arrays, null for NaN."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | np.ndarray):
        return [_plain(one) for one in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value


def main() -> None:
    """Measure, print a table per method, keep everything as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path, help="result folders of config/study.yaml")
    parser.add_argument("--methods", nargs="+", default=["m6", "m6_sharp", "m6_cited"])
    parser.add_argument("--protocol", default="groups5")
    parser.add_argument("--sampling", default="middle-16")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/regions.json"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    kept: dict[str, Any] = {"data": "synthetic twins"}
    for method in asked.methods:
        kept[method] = {}
        for results in asked.results:
            folder = results / "folds" / asked.protocol / method
            paths = sorted(folder.glob("seed*/*.safetensors"))
            if not paths:
                raise InputError(f"{folder}: no kept network; list {method} under keep_networks and run again")
            kept[method] |= {str(path): measure(look(path, results, asked.sampling)) for path in paths}
        print(tables(method, list(kept[method].values())), end="\n\n")
    write_json(asked.out, _plain(kept))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
