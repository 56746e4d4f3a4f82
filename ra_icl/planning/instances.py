"""How many instances, and so how many flow maps, the sequences of a plan give a method."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ra_icl.planning.candidates import training_options
from ra_icl.planning.plan import Plan, sampling_of

PUBLISHED_SIZE, PUBLISHED_INSTANCES = 28, 2  # of the published flow maps, at most


def map_size(plan: Plan) -> int:
    """The side of a flow map in pixels."""
    return PUBLISHED_SIZE if plan.source == "public_flow" else plan.config["faces"]["size"]


def channels(method: Mapping[str, Any]) -> int:
    """Channels of what a method is fed: u, v, strain and perhaps depth, or grey frames."""
    if method["sampling"]["mode"] == "frames":
        return 1
    return 4 if method["sampling"].get("depth") else 3


def instances_of_sequences(plan: Plan, rows: pd.DataFrame, method: str) -> pd.Series:
    """How many instances each of the sequences `rows` gives a method; of published maps, how many there are at most."""
    sampling = plan.methods[method]["sampling"]
    if sampling["mode"] == "published":
        layout = plan.config["public_flow"][sampling["source"]]["layout"]
        return pd.Series(PUBLISHED_INSTANCES if layout == "onset_apex_offset" else 1, rows.index)
    return (rows["offset"] - rows["onset"]).map(sampling_of(sampling).pairs)


def cost_inputs(plan: Plan, protocol: str, methods: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What the table of costs needs of each method: title, options, and size, mean number and channels of its maps."""
    return {
        name: {
            "title": plan.methods[name]["title"],
            "options": training_options(plan.methods[name]),
            "size": map_size(plan),
            "instances": float(instances_of_sequences(plan, plan.selected[protocol], name).mean()),
            "channels": channels(plan.methods[name]),
        }
        for name in methods
    }
