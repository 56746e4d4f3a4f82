"""The methods of config/config.yaml for tests of a step; on a GPU these run where PyTorch is, but no pydantic."""

from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import get_type_hints

import yaml

from ra_icl.training.method import MethodOptions

CONFIG = Path(__file__).parents[2] / "config" / "config.yaml"


def options_in_config():
    """{name: its options as the YAML has them} of Ra-ICL's methods."""
    methods = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["methods"]
    own = {name: method for name, method in methods.items() if "peer" not in method}
    left_out = ("title", "sampling", "selection")
    return {name: {key: method[key] for key in method if key not in left_out} for name, method in own.items()}


def built(cls, values):
    """The dataclass of these values, without a check."""
    kinds = get_type_hints(cls)
    found = {key: built(kinds[key], value) if is_dataclass(kinds[key]) else value for key, value in values.items()}
    return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in found.items()})


def small_methods():
    """{name: options} of Ra-ICL's methods, with a small network and weights for all classes."""
    small = {"width": 16, "heads": 2, "feedforward": 16, "hidden": 16, "embedding": 8}
    found = {}
    for name, values in options_in_config().items():
        options = built(MethodOptions, values)
        regions = replace(options.model.regions, **small)
        backbone = replace(options.model.backbone, stem="small", width=8, blocks=(1, 1))
        model = replace(options.model, backbone=backbone, regions=regions)
        training = replace(options.training, precision="fp32")
        loss = replace(options.loss, class_weights="balanced")
        found[name] = replace(options, model=model, training=training, loss=loss)
    return found
