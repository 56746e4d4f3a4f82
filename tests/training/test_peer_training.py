"""Peers through a fold: predictions, record with origins, checkpoints, epochs; bad peers and settings."""

import numpy as np
import pandas as pd
import pytest
import torch
from fold_data import train_fold, write_workspace
from small_networks import NETWORKS
from torch.nn import functional

from ra_icl.attention.sequences import kept_network
from ra_icl.errors import InputError
from ra_icl.files import load_tensors, read_json, save_tensors
from ra_icl.peers.registry import load_peer
from ra_icl.planning.candidates import training_options
from ra_icl.planning.options import from_mapping
from ra_icl.planning.peers import declared_peers
from ra_icl.training.checkpoint import Stopped
from ra_icl.training.method import MethodOptions
from ra_icl.training.network import load_network
from ra_icl.training.peers import NetworkTraining


def peer_options(**peer):
    method = {"peer": peer, "training": {"device": "cpu"}}
    return from_mapping(MethodOptions, training_options(method))


SMALL = {"name": "ststnet", "size": 10, "epochs": 3, "batch": 2, "learning_rate": 0.01}


@pytest.fixture
def ststnet():
    return peer_options(**SMALL)


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_fold_of_a_peer_is_that_of_a_plain_loop(tmp_path, shuffle):
    maps, ststnet = write_workspace(tmp_path, sequences=4, instances=3, size=10), peer_options(**SMALL, shuffle=shuffle)
    out = train_fold(tmp_path, ststnet, keep_epochs=True)
    rows, record = pd.read_csv(out), read_json(out.with_suffix(".json"))

    middle = {key: torch.from_numpy(value[1]).float() for key, value in maps.items()}  # of three instances
    peer = load_peer(ststnet.peer)
    torch.manual_seed(record["training_seed"])
    generator = torch.Generator().manual_seed(record["training_seed"])
    layout = {"memory_format": torch.channels_last}  # in whose order dropout draws
    network = peer.module.network(3, peer.settings).to(**layout)
    train = torch.stack([value for (subject, _), value in middle.items() if subject == "sub02"])
    inputs = torch.empty_like(train, **layout)
    for sequence in range(4):
        for channel in range(3):
            one = train[sequence, channel]
            inputs[sequence, channel] = (one - one.min()) / (one.max() - one.min()) * 255
    labels = torch.tensor([1, 2, 0, 1])  # the emotions of write_workspace go round
    adam = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(3):
        order = torch.randperm(4, generator=generator) if shuffle else torch.tensor([2, 0, 3, 1])  # class by class
        for batch in (order[:2], order[2:]):
            adam.zero_grad()
            functional.cross_entropy(network(inputs[batch]), labels[batch]).backward()
            adam.step()
    network.eval()
    held_out = torch.stack([value for (subject, _), value in middle.items() if subject == "sub01"])
    expected = network(peer.module.prepare(held_out, peer.settings)).softmax(dim=1).detach().numpy()
    np.testing.assert_allclose(rows[["p0", "p1", "p2"]], expected, atol=1e-5)

    assert (record["selection"], record["epoch"], record["steps"], record["images"]) == ("last", 3, 6, 12)
    assert record["settings"]["epochs"] == {"value": 3, "from": "config"}
    assert record["settings"]["size"] == {"value": 10, "from": "config"}
    assert record["settings"]["weight_decay"] == {"value": 0.0, "from": "code"}
    assert record["options"]["peer"]["name"] == "ststnet"
    epochs = pd.read_csv(out.with_suffix(".epochs.csv"))
    np.testing.assert_allclose(epochs[epochs["epoch"] == 3][["p0", "p1", "p2"]], rows[["p0", "p1", "p2"]])


EVERY_PEER = NETWORKS | {
    "alexnet with depth": NETWORKS["alexnet"] | {"depth": True},
    "bi_woof": {},
    "lbp_top": {"size": 30},
    "svm": {},
}


def test_the_settings_name_every_peer():
    assert {case.split()[0] for case in EVERY_PEER} == set(declared_peers())


@pytest.mark.parametrize("case", EVERY_PEER)
def test_every_peer_trains_a_fold_from_maps_larger_than_its_input(tmp_path, case):
    name, settings = case.split()[0], EVERY_PEER[case]
    peer = load_peer({"name": name})
    instances, channels = (10, 1) if peer.module.FED == "frames" else (1, 4 if "depth" in case else 3)
    names, rng = write_workspace(tmp_path, sequences=6), np.random.default_rng(0)
    for subject in ("sub01", "sub02"):
        maps = {name: rng.normal(size=(instances, channels, 70, 70)) for owner, name in names if owner == subject}
        maps = {name: value.astype(np.float16) for name, value in maps.items()}
        save_tensors(tmp_path / "flow" / "casme2" / f"{subject}.safetensors", maps, {})
    epochs = {"epochs": 1} if peer.trains_network else {}
    out = train_fold(tmp_path, peer_options(name=name, **settings, **epochs))
    rows, record = pd.read_csv(out), read_json(out.with_suffix(".json"))
    assert rows["sequence"].tolist() == [f"EP{n:02d}" for n in range(6)]
    found = rows[["p0", "p1", "p2"]].to_numpy()
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert (np.ptp(found, axis=0) > 0).all()  # sequences differ, and so do what is predicted of them
    assert rows["prediction"].tolist() == found.argmax(axis=1).tolist()
    assert len(record["data"]["all"]) == channels
    assert {key for key, one in record["settings"].items() if one["from"] == "config"} <= {*settings, *epochs}


def test_options_that_a_peer_does_not_have_change_nothing(tmp_path):
    write_workspace(tmp_path, size=10)
    plain = train_fold(tmp_path, peer_options(name="svm"))
    text = {"peer": {"name": "svm"}, "input": {"normalise": "instance"}, "loss": {"attention": 0.1}}
    text["training"] = {"device": "cpu", "precision": "bf16", "select": "best_on_held_out"}
    other = train_fold(tmp_path, from_mapping(MethodOptions, text), folder="other")
    assert other.read_bytes() == plain.read_bytes()
    records = [read_json(path.with_suffix(".json")) for path in (plain, other)]
    for key in ("key", "options", "precision", "selection"):
        assert records[0][key] == records[1][key]
    assert (records[1]["precision"], records[1]["selection"]) == ("fp32", "last")


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_a_peer_resumes_from_its_checkpoint_bit_for_bit(tmp_path, monkeypatch, optimiser):
    momentum = 0.9 if optimiser == "sgd" else 0.0
    ststnet = peer_options(
        name="ststnet", size=10, epochs=3, batch=2, learning_rate=0.01, optimiser=optimiser, momentum=momentum
    )
    write_workspace(tmp_path, size=10)
    whole = pd.read_csv(train_fold(tmp_path, ststnet))

    step, seen = NetworkTraining.step, []

    def stop_after_three(training, rows):
        seen.append(len(rows))
        if len(seen) == 3 and training.checkpoint:
            training.checkpoint.asked_to_stop = True
        return step(training, rows)

    monkeypatch.setattr(NetworkTraining, "step", stop_after_three)
    keeping = {"checkpoints": tmp_path / "checkpoints"}
    with pytest.raises(Stopped):
        train_fold(tmp_path, ststnet, folder="resumed", **keeping)
    resumed = train_fold(tmp_path, ststnet, folder="resumed", **keeping)
    assert len(seen) == 6  # four before, two after
    pd.testing.assert_frame_equal(pd.read_csv(resumed), whole)


def test_a_kept_network_of_a_peer_is_the_one_that_predicted(tmp_path, ststnet):
    maps = write_workspace(tmp_path, instances=1, size=10)
    out = train_fold(tmp_path, ststnet, keep_network=True)
    network, peer = load_network(out.with_suffix(".safetensors")), load_peer(ststnet.peer)
    inputs = torch.stack([torch.from_numpy(maps["sub01", f"EP0{n}"][0]).float() for n in range(3)])
    found = network(peer.module.prepare(inputs, peer.settings)).softmax(dim=1).detach()
    np.testing.assert_allclose(pd.read_csv(out)[["p0", "p1", "p2"]], found, atol=0.01)  # weights in half precision
    with pytest.raises(InputError, match="is of the peer ststnet; name folds of a method of Ra-ICL's"):
        kept_network(out)  # which has what class activation maps take


def test_a_method_that_is_not_fed_frames_says_so(tmp_path, ststnet, small_method):
    write_workspace(tmp_path, size=10)
    for path in (tmp_path / "flow" / "casme2").iterdir():
        tensors, _ = load_tensors(path)
        save_tensors(path, {name: value[:, :1].copy() for name, value in tensors.items()}, {})
    with pytest.raises(InputError, match="peer ststnet: is fed flow, not frames"):
        train_fold(tmp_path, ststnet)
    with pytest.raises(InputError, match="the flow has 1 channels, and Ra-ICL reads u, v and strain; give other flow"):
        train_fold(tmp_path, small_method)
