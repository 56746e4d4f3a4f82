"""What one stage writes, the next one reads; and a border that is spoiled fails the very same round trip."""

import sys

import numpy as np
import pytest
import torch
from round_trips import (
    SAVE,
    check_checkpoint,
    check_crops,
    check_flow,
    check_network,
    check_published,
    check_twins,
)

from ra_icl import files
from ra_icl.datasets import frames, public_flow
from ra_icl.flow import sampling, subjects
from ra_icl.training import instances
from ra_icl.twins import render

CHECKS = (check_crops, check_flow, check_published, check_twins, check_network, check_checkpoint)


@pytest.mark.parametrize("check", CHECKS)
def test_what_one_stage_writes_the_next_one_reads(check, tmp_path):
    check(tmp_path)


# Mutations: what is done to an array, and where


def memory_order(array):
    """Another memory order taken for this one: as when raw memory is written under the logical shape."""
    return np.ascontiguousarray(array.T).reshape(array.shape)


def transposed(array):
    """Rows and columns exchanged: the last two axes, but the middle ones of colour crops."""
    if array.ndim < 2:
        return array
    rows, columns = (1, 2) if array.dtype == np.uint8 else (-2, -1)
    return array.swapaxes(rows, columns) if array.shape[rows] == array.shape[columns] else array


def reversed_in_time(array):
    """The first axis in reverse: frames, instances, a layer's outputs."""
    return array[::-1] if array.ndim > 1 else array


def u_and_v_swapped(array):
    return array[:, [1, 0, *range(2, array.shape[1])]] if array.ndim == 4 else array


def colours_reversed(array):
    return array[..., ::-1]


def channels_reversed(array):
    return array[:, ::-1]


def mirrored(array):
    """Left and right exchanged; the last axis is that of the columns."""
    return array[..., ::-1]


def intensity_reversed(array):
    """The truth's (K, T) alone."""
    return array[:, ::-1] if array.ndim == 2 else array


def writer(change):
    """A patch that changes every array that the stages write."""

    def changed(path, tensors, metadata):
        plain = {name: value.numpy() if isinstance(value, torch.Tensor) else value for name, value in tensors.items()}
        SAVE(path, {name: change(value) for name, value in plain.items()}, metadata)

    return lambda patch: patch_writer(patch, changed)


def shuffled(patch):
    """Names go round among tensors of one shape and dtype: sequences, or weights of one size."""

    def changed(path, tensors, metadata):
        alike = {}
        for name, value in tensors.items():
            alike.setdefault((tuple(value.shape), str(value.dtype)), []).append(name)
        source = {name: names[number - 1] for names in alike.values() for number, name in enumerate(names)}
        SAVE(path, {name: tensors[source[name]] for name in tensors}, metadata)

    patch_writer(patch, changed)


def patch_writer(patch, changed):
    """Put `changed` wherever the package has imported `save_tensors`."""
    for name, module in list(sys.modules.items()):
        if name.startswith("ra_icl") and getattr(module, "save_tensors", None) is SAVE:
            patch.setattr(module, "save_tensors", changed)


def wrap(target, name, change):
    """A patch that changes what a function returns."""
    original = getattr(target, name)
    return lambda patch: patch.setattr(target, name, lambda *args, **named: change(original(*args, **named)))


def other_clips_motion(patch):
    """Each clip's truth is written with the motion of the clip before."""
    motions, write = [], render.write_truth

    def changed(path, motion, onset):
        motions.append(motion)
        write(path, motions[-2:][0], onset)

    patch.setattr(render, "write_truth", changed)


def frames_backwards(patch):
    """Frames of a twin are written under each other's numbers."""
    name = render._file_name
    patch.setattr(render, "_file_name", lambda clip, number: name(clip, clip.onset + clip.offset - number))


def crops_alone(change):
    """A change of what is read that leaves the maps as they are."""
    return lambda array: change(array) if array.dtype == np.uint8 else array


def sorted_by_name(found):
    return dict(sorted(found.items(), key=lambda item: item[1].name))


def one_early(positions):
    return [position - 1 for position in positions]


def half_a_turn(image):
    return image[::-1, ::-1]


def turned_round(maps):
    """The flow from the frame to the onset, nearly."""
    return np.concatenate([-maps[:, :2], maps[:, 2:]], axis=1)


MUTATIONS = {
    "crops, another memory order": (check_crops, writer(memory_order)),
    "crops, transposed": (check_crops, writer(transposed)),
    "crops, frames reversed": (check_crops, writer(reversed_in_time)),
    "crops, sequences shuffled": (check_crops, shuffled),
    "crops, BGR written": (check_crops, writer(colours_reversed)),
    "crops, BGR read": (check_crops, wrap(frames, "to_8_bits", colours_reversed)),
    "crops, frames by name": (check_crops, wrap(frames, "frame_files", sorted_by_name)),
    "flow, another memory order": (check_flow, writer(memory_order)),
    "flow, transposed": (check_flow, writer(transposed)),
    "flow, mirrored": (check_flow, writer(mirrored)),
    "flow, u and v swapped": (check_flow, writer(u_and_v_swapped)),
    "flow, channels reversed": (check_flow, writer(channels_reversed)),
    "flow, frames reversed": (check_flow, writer(reversed_in_time)),
    "flow, sequences shuffled": (check_flow, shuffled),
    "flow, of transposed crops": (check_flow, wrap(files.TensorFile, "get", crops_alone(transposed))),
    "flow, of mirrored crops": (check_flow, wrap(files.TensorFile, "get", crops_alone(mirrored))),
    "flow, of crops with frames reversed": (check_flow, wrap(files.TensorFile, "get", crops_alone(reversed_in_time))),
    "flow, from the frame to the onset": (check_flow, wrap(subjects, "flow_maps", turned_round)),
    "flow, of the frame before": (check_flow, wrap(sampling, "sample", one_early)),
    "published, another memory order": (check_published, writer(memory_order)),
    "published, transposed": (check_published, writer(transposed)),
    "published, u and v swapped": (check_published, writer(u_and_v_swapped)),
    "published, channels reversed": (check_published, writer(channels_reversed)),
    "published, instances reversed": (check_published, writer(reversed_in_time)),
    "published, sequences shuffled": (check_published, shuffled),
    "published, RGB taken for BGR": (check_published, wrap(public_flow, "_read_image", colours_reversed)),
    "published, turned by half a turn": (check_published, wrap(public_flow, "_read_image", half_a_turn)),
    "batch, last instance for the middle": (check_published, wrap(instances, "middle_instance", (1).__add__)),
    "truth, another memory order": (check_twins, writer(memory_order)),
    "truth, u and v swapped": (check_twins, writer(u_and_v_swapped)),
    "truth, frames reversed": (check_twins, writer(intensity_reversed)),
    "truth, of another clip": (check_twins, other_clips_motion),
    "twin, frames reversed": (check_twins, frames_backwards),
}
for name, check in {"network": check_network, "checkpoint": check_checkpoint}.items():
    for change in (memory_order, transposed, reversed_in_time):
        MUTATIONS[f"{name}, {change.__name__}"] = (check, writer(change))
    MUTATIONS[f"{name}, shuffled"] = (check, shuffled)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_spoiled_border_fails_the_same_round_trip(name, tmp_path, monkeypatch):
    check, spoil = MUTATIONS[name]
    spoil(monkeypatch)
    with pytest.raises(AssertionError):
        check(tmp_path)
