"""What a method costs beside what it scores: parameters, arithmetic, time, memory, flow."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import isnan, nan
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ra_icl.errors import InputError
from ra_icl.evaluation.caveats import DATA, all_caveats
from ra_icl.evaluation.choice import selection_notes
from ra_icl.evaluation.records import read_metrics
from ra_icl.evaluation.table_formats import EMPTY, Table, write_formats
from ra_icl.model.siamese import Siamese
from ra_icl.peers.registry import load_peer
from ra_icl.planning.estimate import random_sets
from ra_icl.planning.options import from_mapping
from ra_icl.planning.peer_costs import COUNTED, PeerCosts, flops_of, median_seconds
from ra_icl.training.device import device_name, fix_kernels, resolve_device
from ra_icl.training.method import MethodOptions
from ra_icl.training.prediction import predict
from ra_icl.training.step import Stepper

NOTES = (
    "Parameters: of the network that predicts, and of all that is trained for it; the target network, which only "
    "follows, is not among them",
    "GFLOP: floating-point operations of convolutions, matrix products and attention, a multiplication and an addition "
    "being two; per clip: all that predicts one sequence from its flow; per step: forward and backward of one batch",
    "Flow maps: mean per sequence; what a method needs at inference is in parentheses",
)
SELECTED_NOTE = (
    "For methods whose options were chosen by nested selection, UF1, seconds and memory of a fold are those of the "
    "chosen options; everything else is that of the options in the config"
)
KEYS = ("title", "options", "size", "instances")


def write_costs(
    methods: Mapping[str, Mapping[str, Any]], metrics_jsons: Sequence[Path], out_stem: Path, device: str = "auto"
) -> None:
    """Write the table of costs as `out_stem`.csv, .md, .tex, .notes.md and .html.

    methods: of `cost_inputs`. metrics_jsons: of the same methods, for the seconds that their folds took and the score,
    in the order of the rows. device: on which the prediction of a clip is timed.
    Raises InputError if `methods` lacks one of them or a key.
    """
    scored = {content["method"]: content for content in map(read_metrics, metrics_jsons)}
    _require_inputs(methods, scored)
    where = resolve_device(device)
    data = pd.DataFrame([_row(name, methods[name], content, where) for name, content in scored.items()])
    said = tuple(all_caveats(list(scored.values())))
    size = "Maps of " + " and ".join(f"{size} px" for size in sorted(set(data["size"])))
    batches = " or ".join(f"{batch:.0f}" for batch in sorted(set(data["batch"].dropna())))
    sizes = size + (f", batches of {batches}" if batches else "")
    timed = f"{sizes}; a clip is predicted on {device_name(where)}"
    selected = selection_notes(list(scored.values()))
    notes = (*NOTES, timed, *([SELECTED_NOTE, *selected] if selected else []))
    write_formats(Table("cost", "What each method costs", said, notes, data, _printed(data)), out_stem)


def parameters(options: MethodOptions, classes: int) -> tuple[int, int]:
    """(parameters of backbone and classifier, which predict; all parameters that are trained) of a method."""
    model = Siamese(classes, options.model, discover=options.loss.regions > 0)
    predicting = [model.online.backbone, model.online.classifier]
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return sum(p.numel() for part in predicting for p in part.parameters()), sum(p.numel() for p in trained)


def flops_of_clip(options: MethodOptions, classes: int, size: int, instances: int) -> int:
    """FLOPs of predicting one sequence of `instances` maps of `size` pixels."""
    network, sets = _on_cpu(options, classes, size, 1, instances)
    return flops_of(lambda: predict(network.model.online, sets, options))


def flops_of_step(options: MethodOptions, classes: int, size: int) -> int:
    """FLOPs of one optimiser step with the method's batch, on maps of `size` pixels."""
    stepper, _ = _on_cpu(options, classes, size, COUNTED, 2)
    return flops_of(lambda: stepper(torch.arange(COUNTED))) * options.training.batch // COUNTED


def seconds_of_clip(options: MethodOptions, classes: int, size: int, instances: int, device: str) -> float:
    """Seconds that predicting one sequence takes once the network is loaded, with one CPU thread; the median."""
    torch.set_num_threads(1)
    fix_kernels()
    network = Siamese(classes, options.model, discover=options.loss.regions > 0).online
    network = network.to(device, memory_format=torch.channels_last)
    sets = random_sets(1, classes, size, device, instances)
    return median_seconds(lambda: predict(network, sets, options))  # an array of the CPU: it waits for the device


def _require_inputs(methods: Mapping[str, Mapping[str, Any]], names: Iterable[str]) -> None:
    for name in names:
        if name not in methods:
            raise InputError(f"--methods: has no {name}, whose metrics are given; add it, or leave them out")
        if missing := [key for key in KEYS if key not in methods[name]]:
            raise InputError(f"--methods: {name} has no {missing[0]}; give {', '.join(KEYS)}")


def _on_cpu(options: MethodOptions, classes: int, size: int, sequences: int, instances: int) -> tuple[Stepper, Any]:
    """A step and sequences to count on, in fp32 on a CPU, where nothing is recorded as a graph."""
    plain = replace(options, training=replace(options.training, device="cpu", precision="fp32"))
    model = Siamese(classes, plain.model, discover=plain.loss.regions > 0).train()
    sets = random_sets(sequences, classes, size, "cpu", instances)
    return Stepper(model, sets, classes, plain, torch.Generator().manual_seed(0)), sets


def _row(name: str, method: Mapping[str, Any], metrics: Mapping[str, Any], device: str) -> dict[str, Any]:
    """A row of the CSV."""
    options = from_mapping(MethodOptions, method["options"], f"methods.{name}")
    classes, size = len(metrics["classes"]), method["size"]
    predicted = max(1, round(method["instances"])) if options.inference.instances == "all" else 1
    if options.peer:
        peer = load_peer(options.peer)
        found = _of_peer(PeerCosts(peer, classes, size, method.get("channels", 3), round(method["instances"])), device)
        predicted = predicted if peer.module.FED == "flow" else 0
        batch = getattr(peer.settings, "batch", None)
    else:
        found, batch = _of_method(options, classes, size, predicted, device), options.training.batch
    folds = metrics["folds"] * len(metrics["seeds"])
    return {
        "data": DATA[metrics["data_source"]],
        "method": name,
        "title": method["title"],
        "uf1": round(100 * metrics["scores"]["composite"]["uf1"]["mean"], 4),
        **found,
        "seconds_fold": round(metrics["seconds"] / folds, 1),
        "device_fold": ", ".join(metrics["device"]),
        "memory_fold": metrics.get("memory"),
        "device_clip": device_name(device),
        "maps_training": round(method["instances"], 2),
        "maps_clip": predicted,
        "size": size,
        "batch": batch,
    }


def _of_method(options: MethodOptions, classes: int, size: int, predicted: int, device: str) -> dict[str, float]:
    """What a method of Ra-ICL costs, as columns of the CSV."""
    predicting, trained = parameters(options, classes)
    return {
        "parameters_predicting": predicting,
        "parameters_trained": trained,
        "gflop_clip": flops_of_clip(options, classes, size, predicted) / 1e9,
        "gflop_step": flops_of_step(options, classes, size) / 1e9,
        "seconds_clip": round(seconds_of_clip(options, classes, size, predicted, device), 5),
    }


def _of_peer(costs: PeerCosts, device: str) -> dict[str, float]:
    """What a peer costs, as columns of the CSV; NaN for what a classifier of descriptors has not."""
    parameters, clip, step = (
        nan if value is None else value for value in (costs.parameters(), costs.flops_of_clip(), costs.flops_of_step())
    )
    return {
        "parameters_predicting": parameters,
        "parameters_trained": parameters,
        "gflop_clip": clip / 1e9,
        "gflop_step": step / 1e9,
        "seconds_clip": round(costs.seconds_of_clip(device), 5),
    }


def _printed(data: pd.DataFrame) -> pd.DataFrame:
    """The cells for people, all text."""
    both = zip(data["parameters_predicting"], data["parameters_trained"], strict=True)
    maps = zip(data["maps_training"], data["maps_clip"], strict=True)
    cells = {
        "Method": data["title"],
        "Data": data["data"],
        "UF1": data["uf1"].map("{:.2f}".format),
        "Parameters": [f"{_short(one)} / {_short(other)}" for one, other in both],
        "GFLOP per clip": [EMPTY if isnan(value) else f"{value:.3g}" for value in data["gflop_clip"]],
        "GFLOP per step": [EMPTY if isnan(value) else f"{value:.4g}" for value in data["gflop_step"]],
        "s per fold": data["seconds_fold"].map("{:.0f}".format) + " (" + data["device_fold"] + ")",
        "Memory": [f"{value / 2**30:.2f} GiB" if value else EMPTY for value in data["memory_fold"].fillna(0)],
        "ms per clip": (1000 * data["seconds_clip"]).map("{:.1f}".format),
        "Flow maps": [f"{training:g} ({clip})" for training, clip in maps],
    }
    return pd.DataFrame(cells).astype(str)


def _short(number: float) -> str:
    """A number of parameters: 11.2 M, 47.7 k."""
    if isnan(number):
        return EMPTY
    return f"{number / 1e6:.1f} M" if number >= 1e6 else f"{number / 1e3:.1f} k"
