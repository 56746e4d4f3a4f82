"""The flow set: a line per sequence that follows the tensors' values, and a damaged file by its name."""

import numpy as np
import pytest

from ra_icl.errors import InputError
from ra_icl.files import checksum, save_tensors
from ra_icl.flow.checksums import write_flow_set


def maps(number):
    """(N, 3, H, W) float16, each value its own."""
    return (np.arange(2 * 3 * 4 * 5, dtype=np.float16) + 1000 * number).reshape(2, 3, 4, 5)


@pytest.fixture
def flow(tmp_path):
    files = {"smic/s01": {"s01_ne_01": maps(1)}, "casme2/sub01": {"EP02": maps(2), "EP01": maps(3)}}
    for name, tensors in files.items():
        save_tensors(tmp_path / "flow" / f"{name}.safetensors", tensors, {"version": 1})
    return [tmp_path / "flow" / f"{name}.safetensors" for name in files]


def test_a_line_per_sequence_in_order(flow, tmp_path):
    write_flow_set(flow, tmp_path / "cde.sha256")
    wanted = {"casme2/sub01/EP01": maps(3), "casme2/sub01/EP02": maps(2), "smic/s01/s01_ne_01": maps(1)}
    lines = [f"{name} {checksum(value)}" for name, value in wanted.items()]
    assert (tmp_path / "cde.sha256").read_text().splitlines() == lines


def test_the_file_changes_only_with_the_values(flow, tmp_path):
    write_flow_set(flow, tmp_path / "a")
    save_tensors(flow[0], {"s01_ne_01": maps(1)}, {"version": 2})
    write_flow_set(flow[::-1], tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    changed = maps(1)
    changed[1, 2, 3, 4] += 8
    save_tensors(flow[0], {"s01_ne_01": changed}, {"version": 2})
    write_flow_set(flow, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()


def test_a_flipped_bit_is_one_line_with_file_and_sequence(flow, tmp_path):
    data = bytearray(flow[0].read_bytes())
    data[-1] ^= 1
    flow[0].write_bytes(data)
    with pytest.raises(InputError, match=r"s01\.safetensors: s01_ne_01: its checksum does not match") as caught:
        write_flow_set(flow, tmp_path / "cde.sha256")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "cde.sha256").exists()
