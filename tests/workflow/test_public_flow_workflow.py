"""config/public-flow.yaml unchanged, on small clones made here."""

import cv2
import numpy as np
import pandas as pd
import pytest
import yaml
from workflow_runs import snakemake

from ra_icl.datasets.public_flow import FOLDER, TABLE

ROWS = [  # dataset, subject, clip, label
    ("casme2", "sub01", "EP02_01f", 1),
    ("casme2", "sub02", "EP01_11f", 0),
    ("samm", "006", "006_1_2", 0),
    ("smic", "s03", "s03_sur_01", 2),
]


@pytest.fixture
def published(clone):
    """Clones of both repositories where the config has them, with a first and a second map a sequence."""
    noise = np.random.default_rng(0)
    for repository in ("HTNet", "CausalNet"):
        root = clone / "public" / repository
        (root / FOLDER).mkdir(parents=True)
        for _, subject, clip, _ in ROWS:
            for ending in (" .png", "_1 .png"):
                cv2.imwrite(
                    str(root / FOLDER / f"{subject}_{clip}{ending}"), noise.integers(0, 256, (28, 28, 3), np.uint8)
                )
        table = pd.DataFrame(ROWS, columns=["dataset", "sub", "filename_o", "label"])
        table.assign(apex="", imagename="x.jpg").to_csv(root / TABLE, index=False)
    return clone


@pytest.mark.workflow
def test_the_config_of_published_flow_runs(published):
    few = {"data": {"count_mismatch": "warning"}, "base": {"training": {"epochs": 1}}}
    (published / "few.yaml").write_text(yaml.safe_dump(few))
    done = snakemake(published, configs=("config/public-flow.yaml", "few.yaml"))
    assert done.returncode == 0, done.stderr[-3000:]
    results = published / "results/public-flow"
    table = pd.read_csv(results / "tables/table1.csv")
    assert "published flow maps" in (results / "tables/table1.md").read_text()
    methods = [f"M1, {maps}" for maps in ("HTNet's maps", "CausalNet's onset-apex maps")]
    methods += [f"{name}, CausalNet's two instances" for name in ("M2", "M6")]
    assert methods == table["title"].tolist()[-4:]
    assert len(list((results / "folds/cde/m6_causalnet/seed0").glob("*.csv"))) == len(ROWS)
    assert (results / "figures/figure4.png").exists()
