"""What a run will need before it is started: device, hours, disk and GPU memory, from a few measured steps."""

import json
import math
import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch

from ra_icl.evaluation.duration import duration
from ra_icl.model.siamese import Branch, Siamese
from ra_icl.peers.registry import load_peer
from ra_icl.planning.candidates import training_options
from ra_icl.planning.instances import channels, cost_inputs, instances_of_sequences, map_size
from ra_icl.planning.options import from_mapping
from ra_icl.planning.peer_costs import PeerCosts, steps_of_training
from ra_icl.planning.plan import Plan
from ra_icl.planning.selection import Selection
from ra_icl.training.device import (
    device_name,
    explaining_memory,
    fix_kernels,
    on_stream,
    resolve_device,
    stream_of,
)
from ra_icl.training.gpus import visible_gpus
from ra_icl.training.instances import InstanceSets
from ra_icl.training.method import MethodOptions
from ra_icl.training.step import WARM_STEPS, Stepper

GIB = 2**30
CPU_PIXELS = 4 * 224**2  # of a measured step on a CPU: from there on, time is proportional to the batch
TIMED_STEPS = 3
CONTEXT = 2**29  # bytes of GPU memory that CUDA takes for each process


def estimate(plan: Plan) -> list[str]:
    """Lines that say what the tables and figures of a plan will need: device, hours, disk and GPU memory.

    Each kind of step that the plan's methods take is measured on random maps of the plan's size; folds that are
    finished already are not subtracted. Raises InputError if the device of a method cannot be used.
    """
    seconds, devices, memory, kinds = 0.0, set(), 0, {}
    for protocol, method in plan.runs():
        options = from_mapping(MethodOptions, _training(plan, method), f"methods.{method}")
        fed = plan.methods[method]["sampling"] if options.peer else {}  # a peer's step may depend on the frames
        kind = json.dumps([_training(plan, method), fed, len(plan.class_names(protocol))], sort_keys=True)
        if kind not in kinds:
            classes, size = len(plan.class_names(protocol)), map_size(plan)
            with explaining_memory():
                peer = measured_peer_step(plan, protocol, method, options) if options.peer else None
                kinds[kind] = peer or measured_step(options, classes, size)
        per_step, bytes_of_step, device = kinds[kind]
        seconds += per_step * steps_of(plan, protocol, method, options)
        devices.add(device)
        memory = max(memory, bytes_of_step + _map_bytes(plan, plan.selected[protocol], method))
    return [*_device_lines(devices), *_need_lines(plan, seconds, devices, memory), *_selection_lines(plan)]


def steps_of(plan: Plan, protocol: str, method: str, options: MethodOptions) -> int:
    """Optimiser steps of all folds and seeds of a method under a protocol."""
    pairs = _pairs_per_epoch(plan, protocol, method, options)
    held_out = pairs.groupby(plan.fold_of(protocol)).sum()
    seeds = len(plan.seeds(method))
    if options.peer:
        peer = load_peer(options.peer)
        return sum(steps_of_training(peer, int(pairs.sum() - own)) for own in held_out) * seeds
    per_epoch = [math.ceil((pairs.sum() - own) / options.training.batch) for own in held_out]
    return int(sum(per_epoch)) * options.training.epochs * seeds


def disk_bytes(plan: Plan) -> int:
    """Bytes of crops, flow and kept networks of a plan; published maps have no crops."""
    faces = plan.config["faces"]
    used = _once(plan.selected.values())
    frames = (used["offset"] - used["onset"] + 1).sum()
    crops = 0 if plan.source == "public_flow" else frames * faces["size"] ** 2 * (1 if faces["grey"] else 3)
    return int(crops + _flow_bytes(plan) + _network_bytes(plan))


def _flow_bytes(plan: Plan) -> int:
    """Bytes of all flow files; a sequence has one per sampling, whichever protocols use it."""
    samplings: dict[str, tuple[str, list[pd.DataFrame]]] = {}
    for protocol, method in plan.runs():
        _, rows = samplings.setdefault(plan.sampling(method), (method, []))
        rows.append(plan.selected[protocol])
    return sum(_map_bytes(plan, _once(rows), method) for method, rows in samplings.values())


def _once(rows: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """The sequences of several protocols, each once."""
    return pd.concat(rows).drop_duplicates(["dataset", "subject", "sequence"])


def _network_bytes(plan: Plan) -> int:
    """Bytes of all networks that `keep_networks` keeps, in half precision."""
    total = 0
    for protocol, method in plan.runs():
        if method in plan.config["keep_networks"]:
            options = from_mapping(MethodOptions, _training(plan, method), f"methods.{method}")
            classes = len(plan.class_names(protocol))
            if options.peer:
                peer = load_peer(options.peer)
                network = peer.module.network(classes, peer.settings)
            else:
                network = Branch(classes, options.model, options.loss.regions > 0)
            numbers = sum(tensor.numel() for tensor in network.state_dict().values())
            total += 2 * numbers * len(plan.folds(protocol)) * len(plan.seeds(method))
    return total


def measured_step(options: MethodOptions, classes: int, size: int) -> tuple[float, int, str]:
    """(seconds per step, peak bytes of GPU memory or 0, device) of a method on random maps of `size` pixels."""
    device = resolve_device(options.training.device)
    torch.set_num_threads(1)  # as a fold
    _forget_memory(device)
    batch = options.training.batch if device == "cuda" else min(options.training.batch, math.ceil(CPU_PIXELS / size**2))
    fix_kernels()
    with on_stream(stream_of(device)):
        model = Siamese(classes, options.model, discover=options.loss.regions > 0)
        model = model.to(device, memory_format=torch.channels_last).train()
        generator = torch.Generator(device=device).manual_seed(0)
        stepper = Stepper(model, random_sets(batch, classes, size, device), classes, options, generator)
        rows = torch.arange(batch, device=device)
        # A fold has two batch sizes, one apart, and records a graph of each.
        for part in [rows] if device == "cpu" or batch == 1 else [rows[1:], rows]:
            for _ in range(1 if device == "cpu" else WARM_STEPS + 1):
                stepper(part)
        stepper.take_means()  # waits for the device
        start = time.perf_counter()
        for _ in range(TIMED_STEPS):
            stepper(rows)
        stepper.take_means()
        seconds = (time.perf_counter() - start) / TIMED_STEPS * options.training.batch / batch
    return seconds, torch.cuda.max_memory_reserved() + CONTEXT if device == "cuda" else 0, device


def measured_peer_step(plan: Plan, protocol: str, method: str, options: MethodOptions) -> tuple[float, int, str]:
    """`measured_step` of a method that is a peer; of a classifier of descriptors, on a CPU, of one sequence."""
    wanted, fed = cost_inputs(plan, protocol, [method])[method], load_peer(options.peer)
    device = resolve_device(options.training.device)
    _forget_memory(device)
    costs = PeerCosts(
        fed, len(plan.class_names(protocol)), wanted["size"], wanted["channels"], round(wanted["instances"])
    )
    seconds = costs.seconds_of_step(device)
    return seconds, torch.cuda.max_memory_reserved() + CONTEXT if device == "cuda" else 0, device


def _forget_memory(device: str) -> None:
    """Count peak memory anew, without what an earlier method left in the allocator's cache."""
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def random_sets(sequences: int, classes: int, size: int, device: str, instances: int = 2) -> InstanceSets:
    """Sequences of random instances."""
    maps = (
        torch.rand(instances * sequences, 3, size, size, generator=torch.Generator().manual_seed(0)).half().to(device)
    )
    labels = torch.arange(sequences) % classes
    counts = torch.full((sequences,), instances)
    tensors = [tensor.to(device) for tensor in (instances * torch.arange(sequences), counts, labels)]
    return InstanceSets(maps, *tensors, pd.DataFrame({"label": labels.numpy()}), np.zeros((sequences, 3, 3)))


def _training(plan: Plan, method: str) -> dict[str, Any]:
    return training_options(plan.methods[method])


def _map_bytes(plan: Plan, rows: pd.DataFrame, method: str) -> int:
    """Bytes of all that a method is fed of the sequences `rows`, in half precision."""
    instances = int(instances_of_sequences(plan, rows, method).sum())
    return 2 * channels(plan.methods[method]) * map_size(plan) ** 2 * instances


def _pairs_per_epoch(plan: Plan, protocol: str, method: str, options: MethodOptions) -> pd.Series:
    """Pairs that an epoch draws from each sequence, as `pairs_of` in training.instances."""
    if options.peer:
        return pd.Series(1, plan.selected[protocol].index)
    if options.training.pairs == "instances":
        return instances_of_sequences(plan, plan.selected[protocol], method)
    rows = plan.selected[protocol]
    most = 1 if options.training.pairs == "sequences" else options.training.pairs
    return (rows["offset"] - rows["onset"]).clip(1, most)


def _device_lines(devices: set[str]) -> Iterator[str]:
    for device in sorted(devices):
        yield f"device: {device_name(device)}, PyTorch {torch.__version__}, CUDA {torch.version.cuda or 'not built in'}"
    for gpu in visible_gpus():
        yield f"GPU {gpu.index}: {gpu.name}, driver {gpu.driver}"


def _selection_lines(plan: Plan) -> Iterator[str]:
    """The trainings of nested selection, which the hours leave out: how long they take differs between candidates."""
    number, options = Selection(plan).trainings, plan.config["selection"]
    if number:
        share = (1 - 1 / options["groups"]) * (1 - 1 / options["inner_folds"])
        yield f"selection: {number} inner folds first, on {share:.0%} of the subjects each; the hours leave them out"


def _need_lines(plan: Plan, seconds: float, devices: set[str], memory: int) -> Iterator[str]:
    folds = sum(len(plan.folds(protocol)) * len(plan.seeds(method)) for protocol, method in plan.runs())
    if devices == {"cpu"}:
        cores = os.cpu_count() or 1
        spread = f"{duration(seconds)} on one core, {duration(seconds / cores)} on {cores} cores"
    else:
        spread = f"{duration(seconds)} if they run one after another on one GPU; side by side they take less"
    yield f"training: {folds} folds, {spread}"
    yield f"disk: {disk_bytes(plan) / GIB:.2g} GiB of crops, flow and networks"
    if memory and "cuda" in devices:
        per_gpu = plan.config["folds_per_gpu"]
        yield f"GPU memory: {memory / GIB:.1f} GiB per fold, {per_gpu} folds per GPU (folds_per_gpu)"
