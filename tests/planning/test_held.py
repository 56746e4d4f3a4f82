"""What `cross` in a config means, with the datasets that it has."""

import shutil
from pathlib import Path

import pytest

from ra_icl.datasets.protocols import PROTOCOLS
from ra_icl.errors import InputError
from ra_icl.planning.config import load_config
from ra_icl.planning.estimate import steps_of
from ra_icl.planning.held import parts_of, require_data, require_folds
from ra_icl.planning.methods import merge
from ra_icl.planning.plan import make_plan
from ra_icl.twins.plan import TwinOptions
from ra_icl.twins.render import render

ROOT = Path(__file__).parents[2]


@pytest.fixture
def demo():
    values = load_config([ROOT / "config/config.yaml", ROOT / "config/demo.yaml"])
    return merge(values, {"protocols": ["cde", "cross"], "tables": {"cross": ["m1", "m6"]}})


def test_cross_is_four_protocols(demo):
    plan = make_plan(demo)
    assert list(plan.selected) == ["cde", "cross", "cross_casme2", "cross_samm", "cross_smic"]
    assert plan.fold_files("cross", "m6") == [f"cross/m6/seed0/{name}.csv" for name in ("casme2", "samm", "smic")]
    assert plan.fold_files("cross_samm", "m1") == ["cross_samm/m1/seed0/others.csv"]
    assert plan.score_tables()["cross"] == (list(plan.selected)[1:], ["m1", "m6"])
    # The method of the confusion matrices is trained for the protocols that have one.
    crossed = {method for protocol, method in plan.runs() if protocol.startswith("cross")}
    assert crossed == {"m1", "m6"}


def test_a_step_is_taken_on_the_datasets_that_are_trained_on(demo, small_method):
    plan = make_plan(demo)
    rows, batch = plan.selected["cde"], small_method.training.batch
    for name in ("casme2", "samm", "smic"):
        trained = (rows["dataset"] == name).sum()
        steps = -(-trained // batch) * small_method.training.epochs
        assert steps_of(plan, f"cross_{name}", "m1", small_method) == steps


def test_datasets_without_a_root_are_not_crossed(demo):
    roots = {"casme2": {"root": "a"}, "samm": {"root": ""}, "smic": {"root": "c"}}
    config = merge(demo, {"data": {"source": "datasets"}, "datasets": roots})
    assert parts_of(config, "cross") == ["cross", "cross_casme2", "cross_smic"]
    assert parts_of(config, "cde") == ["cde"]
    config = merge(config, {"datasets": {"smic": {"root": ""}}})
    with pytest.raises(InputError, match="protocols: cross needs two datasets, but only casme2 has a root"):
        parts_of(config, "cross")


def test_a_protocol_without_published_maps_is_refused(demo):
    require_data(merge(demo, {"data": {"source": "public_flow"}}))
    config = merge(demo, {"data": {"source": "public_flow"}, "protocols": ["cde", "casme3_3"]})
    with pytest.raises(
        InputError, match=r"protocols: casme3_3 needs other datasets than .* casme2, samm, smic; take it"
    ):
        require_data(config)


def test_a_class_without_a_sequence_is_no_run(demo):
    demo = merge(demo, {"protocols": ["cde"], "tables": {"cross": []}})
    selected = make_plan(demo).selected["cde"]
    with pytest.raises(InputError, match="protocol cde: class surprise has no sequence, so that it cannot be learnt"):
        require_folds(PROTOCOLS["cde"], selected[selected["label"] != 2])
    require_folds(PROTOCOLS["cde"], selected)


def test_the_index_is_made_again_when_folders_change_that_it_is_read_from(demo, tmp_path):
    """SMIC has no annotation: a clip more, a clip less, or a frame more is another index."""
    render("smic", tmp_path / "smic", TwinOptions(subjects=2, per_class=1, frames=(11, 12), scale=0.1))
    config = merge(demo, {"data": {"source": "datasets", "count_mismatch": "warning"}, "protocols": ["cde"]})
    config = merge(config, {"datasets": {"smic": {"root": str(tmp_path / "smic")}}, "tables": {"cross": []}})
    digests = [make_plan(config).index_digest("smic")]
    clip = next((tmp_path / "smic" / "SMIC_all_raw").rglob("s*_ne_*"))
    last = sorted(clip.iterdir())[-1]
    longer = clip / f"image{int(last.stem.removeprefix('image')) + 1}{last.suffix}"
    shutil.copy(last, longer)
    digests.append(make_plan(config).index_digest("smic"))
    clip.rename(clip.with_name(clip.name[:-2] + "77"))
    digests.append(make_plan(config).index_digest("smic"))
    assert len(set(digests)) == 3
    assert make_plan(config).index_digest("smic") == digests[-1]
