"""A finished run of twins by hand: flow, crops, truth, and untrained networks, each fold's another one."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ra_icl.attention.sequences import Places
from ra_icl.datasets.index import index_frame
from ra_icl.files import save_tensors, write_csv, write_json
from ra_icl.model.siamese import Branch
from ra_icl.training.fold import Fold, predictions
from ra_icl.training.instances import load_instances
from ra_icl.training.network import load_network, save_network
from ra_icl.twins.motion import Motion
from ra_icl.twins.truth import truth_file, write_truth

SIZE, INSTANCES = 24, 4
EMOTIONS = {"happiness": 1, "disgust": 0}
FLOW = "flow/middle-4"


def make_data(folder: Path, subjects="12", datasets=("casme2", "samm")) -> Places:
    """Two clips a subject, of another emotion each. Their first region is the left half, the second a corner."""
    rng = np.random.default_rng(0)
    fields = np.zeros((2, 2, 6, 6), np.float32)
    fields[0, 0, :, :3], fields[1, 1, 4:, 4:] = 1, 1
    intensity = np.array([[0, 1, 2, 1, 1], [0, 1, 2, 1, 1]], np.float32)
    motion = Motion(fields, intensity, np.ones(5), ("12", "4"), (SIZE, SIZE), (("first", "12"), ("second", "4")))
    for dataset in datasets:
        rows = []
        for subject in subjects:
            names = [f"{subject}_{emotion}" for emotion in EMOTIONS]
            for name, emotion in zip(names, EMOTIONS, strict=True):
                row = {"dataset": dataset, "subject": subject, "sequence": name, "frames": "", "onset": 10}
                rows.append(row | {"apex": 12, "offset": 14, "fps": 200, "emotion": emotion})
                write_truth(truth_file(folder / "twins" / dataset, subject, name), motion, onset=10)
            place = Path(dataset, f"{subject}.safetensors")
            maps = {name: rng.normal(size=(INSTANCES, 3, SIZE, SIZE)).astype(np.float16) for name in names}
            clips = {name: rng.integers(0, 256, (5, SIZE, SIZE), np.uint8) for name in names}
            used = {"positions": [1, 2, 3, 4], "frames": [11, 12, 13, 14]}
            still = {"transform": [[1, 0, 0], [0, 1, 0]]}
            save_tensors(folder / FLOW / place, maps, {"sequences": dict.fromkeys(names, used)})
            save_tensors(folder / "crops" / place, clips, {"sequences": dict.fromkeys(names, still)})
        write_csv(folder / "index" / f"{dataset}.csv", index_frame(rows))
    indexes = tuple(folder / "index" / f"{dataset}.csv" for dataset in datasets)
    return Places(indexes, folder / FLOW, folder / "crops", folder / "twins")


def add_fold(folder: Path, options, method: str, dataset: str, subject: str, seed: int = 0) -> Path:
    """Files of a fold with a network of its own; returns its CSV, with the network's predictions."""
    out = folder / f"folds/cde/{method}/seed{seed}/{dataset}-{subject}.csv"
    torch.manual_seed(int.from_bytes(f"{method}{dataset}{subject}{seed}".encode(), "big") % 2**32)
    network = Branch(3, options.model, discover=options.loss.regions > 0).eval()
    fold = Fold("cde", method, out.stem, seed, "twins")
    save_network(out.with_suffix(".safetensors"), network, fold.class_names, options, asdict(fold))
    index = pd.read_csv(folder / f"index/{dataset}.csv", dtype=str)
    index = index.assign(label=index["emotion"].map(EMOTIONS), onset=10, offset=14)
    rows = index[index["subject"] == subject].reset_index(drop=True)
    sets = load_instances(rows, folder / FLOW, options.input, "cpu")
    with torch.no_grad():
        kept = load_network(out.with_suffix(".safetensors"))  # in half precision, as it is looked at
        logits = kept.classify(sets.maps[sets.middle_instances()[0]].float())
    write_csv(out, predictions(sets, logits.softmax(dim=1).numpy()))
    record = {"method": method, "protocol": "cde", "seed": seed, "fold": out.stem, "selection": "last"}
    record |= {"data_source": "twins", "data": {"predicted": len(rows), "flow": "", "all": {}}}
    write_json(out.with_suffix(".json"), record | {"versions": {}, "seconds": 1})
    return out
