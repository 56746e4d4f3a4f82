"""Bi-WOOF against plain loops, its norm, and the zero of motion of published maps."""

import math

import cv2
import numpy as np
import pytest
import torch
from descriptor_data import distinct_maps, moving_patches
from typer.testing import CliRunner

from ra_icl.cli import app
from ra_icl.datasets.index import index_frame
from ra_icl.datasets.public_flow import FOLDER
from ra_icl.files import load_tensors, write_csv
from ra_icl.peers.bi_woof import Settings, describe


def borders(block, side, settings):
    """First line and last, counted from 1, of a block (from 1, too), as the authors' code has them for one overlap."""
    size, last = side // settings.blocks, settings.blocks
    first = 1 if block == 1 else (block - 1) * size + 1 - settings.overlap
    return max(first, 1), side if block == last else min(block * size + settings.overlap, side)


def by_loops(one, settings):
    """The descriptor of one map (3, H, W), pixel by pixel."""
    (u, v, strain), (height, width) = one.astype(float), one.shape[1:]
    if settings.zero == "median":
        u, v = u - np.median(u), v - np.median(v)
    features = []
    for row in range(1, settings.blocks + 1):
        for column in range(1, settings.blocks + 1):
            histogram, weight = [0.0] * settings.bins, 0.0
            (top, bottom), (left, right) = borders(row, height, settings), borders(column, width, settings)
            for y in range(top - 1, bottom):
                for x in range(left - 1, right):
                    degrees = math.degrees(math.atan2(v[y, x], u[y, x]))
                    place = int((degrees + 180) // (360 / settings.bins))
                    histogram[0 if place == settings.bins else place] += math.hypot(u[y, x], v[y, x])
                    weight += strain[y, x]
            features += [value / sum(histogram) * weight for value in histogram]
    norm = math.sqrt(sum(value**2 for value in features))
    return [value / norm for value in features]


def test_blocks_reach_a_line_over_their_borders_and_the_last_one_takes_the_rest():
    """Of a map of 28 pixels, whose lines the authors' code counts from 1: one pixel moves, and blocks that see it."""
    expected = ((1, 6), (5, 11), (10, 16), (15, 21), (20, 28))
    maps = torch.from_numpy(distinct_maps(1, 28, 28))
    for y in range(28):
        x = (5 * y + 3) % 28
        alone = torch.zeros_like(maps)
        alone[..., y, x] = maps[..., y, x]
        seen = describe(alone, Settings()).reshape(5, 5, 8).any(axis=2)
        rows, columns = ([first <= line + 1 <= last for first, last in expected] for line in (y, x))
        assert seen.tolist() == np.outer(rows, columns).tolist()


@pytest.mark.parametrize("settings", [{}, {"overlap": 0}, {"blocks": 3, "bins": 6, "overlap": 2}, {"zero": "median"}])
@pytest.mark.parametrize("size", [(28, 28), (17, 22)])
def test_features_are_those_of_plain_loops(settings, size):
    maps, settings = distinct_maps(2, *size), Settings(**settings)
    found = describe(torch.from_numpy(maps), settings)
    assert found.shape == (2, settings.blocks**2 * settings.bins)
    np.testing.assert_allclose(found, [by_loops(one, settings) for one in maps], rtol=1e-4, atol=1e-9)


def test_a_direction_falls_into_its_bin():
    """Bins of 45 degrees from -180: 0 degrees begin the fifth, 100 are in the seventh; 180 degrees are -180."""
    for degrees, place in ((-179, 0), (-91, 1), (1, 4), (100, 6), (179, 7)):
        angle = math.radians(degrees)
        maps = torch.tensor([math.cos(angle), math.sin(angle), 1]).reshape(1, 3, 1, 1).expand(1, 3, 5, 5)
        found = describe(maps, Settings(overlap=0)).reshape(25, 8)
        assert (found.argmax(axis=1) == place).all()
        np.testing.assert_allclose(found.max(axis=1), 0.2)  # 25 equal blocks, of norm 1
    left = torch.tensor([-1.0, 0, 1]).reshape(1, 3, 1, 1).expand(1, 3, 5, 5)
    assert (describe(left, Settings()).reshape(25, 8).argmax(axis=1) == 0).all()


def test_still_blocks_and_still_maps_give_zeros():
    maps = np.zeros((2, 3, 20, 20), np.float32)
    maps[1, :, :4, :4] = 1  # the first block
    found = describe(torch.from_numpy(maps), Settings(overlap=0))
    assert (found[0] == 0).all()
    np.testing.assert_allclose(found[1, 4 + 1], 1)  # 45 degrees
    assert np.count_nonzero(found[1]) == 1


@pytest.fixture
def published(tmp_path):
    """Maps of moving patches, and the same from a clone that publishes them, through `ra-icl published-flow`."""
    _, maps, _ = moving_patches(3, seed=5)
    reach = np.abs(maps[:, :2]).max(axis=(1, 2, 3))[:, None, None, None]
    units = (maps[:, :2] / reach * 100 + 130) / 255, maps[:, 2:] / maps[:, 2:].max(axis=(2, 3), keepdims=True)
    images = np.rint(np.concatenate(units, axis=1) * 255).astype(np.uint8)
    rows = []
    for number, image in enumerate(images):
        path = tmp_path / "clone" / FOLDER / f"sub01_EP0{number} .png"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), image[::-1].transpose(1, 2, 0))  # red is u, green v, blue strain
        row = {"dataset": "casme2", "subject": "sub01", "sequence": f"EP0{number}", "frames": "", "onset": 0}
        rows.append(row | {"apex": None, "offset": 1, "fps": 200, "emotion": "negative"})
    write_csv(tmp_path / "casme2.csv", index_frame(rows))
    out = tmp_path / "flow.safetensors"
    options = ["--options", f'{{"root": "{tmp_path / "clone"}"}}', "--subject", "sub01", "--out", str(out)]
    run = CliRunner().invoke(app, ["published-flow", "--index", str(tmp_path / "casme2.csv"), *options])
    assert run.exit_code == 0, run.output
    tensors, _ = load_tensors(out)
    return maps, np.concatenate([tensors[f"EP0{number}"] for number in range(3)])


def test_the_median_is_the_zero_of_a_published_map(published):
    """Most of a face is still, so that the descriptor of a published map is that of the flow it was made from."""
    flow, maps = (torch.from_numpy(one) for one in published)
    true = describe(flow, Settings())
    by_median = describe(maps, Settings(zero="median"))
    assert (np.linalg.norm(by_median - true, axis=1) < 0.1).all()
    unsaid = np.linalg.norm(describe(maps, Settings()) - true, axis=1)
    assert (unsaid[1:] > 1).all()  # all of the face seems to move right and down, as only the first of them does
