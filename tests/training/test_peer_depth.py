"""A peer that is fed depth: four channels reach it as they lie in the flow files, and the record names the fourth."""

import numpy as np
import pandas as pd
import pytest
from deep_peer import deep_peer
from fold_data import train_fold, write_workspace

from ra_icl.files import read_json
from ra_icl.planning.candidates import training_options
from ra_icl.planning.options import from_mapping
from ra_icl.training.method import MethodOptions


@pytest.fixture
def peer(tmp_path):
    with deep_peer(tmp_path):
        yield from_mapping(
            MethodOptions, training_options({"peer": {"name": "nearest"}, "training": {"device": "cpu"}})
        )


def test_depth_is_the_last_of_four_channels(tmp_path, peer):
    maps = write_workspace(tmp_path, instances=1, channels=4, size=6)
    out = train_fold(tmp_path, peer)
    trained = [maps["sub02", f"EP0{n}"][0, 3].astype(float) for n in range(3)]  # of classes 0, 1, 2
    for row in pd.read_csv(out, dtype={"subject": str}).itertuples():
        far = [np.linalg.norm(maps["sub01", row.sequence][0, 3] - one) for one in trained]
        expected = np.exp(-np.array(far)) / np.exp(-np.array(far)).sum()
        np.testing.assert_allclose([row.p0, row.p1, row.p2], expected, atol=1e-4)
    depths = np.stack([value[:, 3] for value in maps.values()]).astype(float)
    summary = read_json(out.with_suffix(".json"))["data"]
    assert summary["all"]["depth"]["mean"] == pytest.approx(depths.mean(), abs=1e-3)
