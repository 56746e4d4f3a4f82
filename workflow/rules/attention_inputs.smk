# What the rules of attention look up in the plan.
import json

from ra_icl.planning.attention import (
    attention_folds,
    attention_panels,
    attention_protocols,
    named_of,
    panel_title,
    region_methods,
    require_attention,
)


def attention_files():
    """The table and the figures of attention."""
    require_networks()
    grids = ATTENTION_GRIDS if config["attention"]["figures"] else []
    return [
        *(["<results>/tables/attention.md"] if config["attention"]["table"] else []),
        *(f"<results>/figures/attention/{panel}_{grid}.png" for panel in ATTENTION for grid in grids),
    ]


def attention_title(wildcards):
    """What the report calls a figure of attention."""
    shown = {"maps": "CAM, Grad-CAM, Guided Grad-CAM", "regions": "heatmaps of the queries"}
    return f"{panel_title(plan, ATTENTION[wildcards.panel])}: {shown[wildcards.grid]}"


def attention_measures():
    """What the table of attention is made from."""
    require_networks()
    methods = config["attention"]["table"]
    return [f"<results>/attention/{name}/{method}.csv" for name in attention_protocols(plan) for method in methods]


def folds_seen(panel):
    """The folds whose networks a figure of attention shows."""
    require_networks()
    return [f"<results>/folds/{path}" for paths in attention_folds(plan, panel).values() for path in paths]


def attention_fault():
    """Why the target `attention` cannot be made, in a line; nothing if it can."""
    try:
        require_attention(plan)
    except InputError as error:
        return str(error)
    return ""


def require_networks():
    """End the run with one line if what the target `attention` looks at is not kept."""
    if fault := attention_fault():
        sys.exit(f"ra-icl: error: {fault}")


def what_was_seen(protocol):
    """Command-line options for attention: a protocol's indexes and, if the data have them, crops and true motion."""
    index = [f"--index={RESULTS}/index/{dataset}.csv" for dataset in plan.datasets(protocol)]
    crops = [f"--crops={RESULTS}/crops"] if plan.source != "public_flow" else []
    return index + crops + ([f"--twins={RESULTS}/twins"] if plan.source == "twins" else [])
