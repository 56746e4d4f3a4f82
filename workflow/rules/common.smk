# The plan of this run, and what the rules ask of it. The package decides how; Snakemake decides what runs.
from functools import partial
from importlib.metadata import version as package_version
from pathlib import Path

from snakemake.exceptions import WorkflowError

from ra_icl.planning.config import check_config, slice_of
from ra_icl.errors import InputError
from ra_icl.planning.gpu_share import folds_beside, gpu_mib
from ra_icl.planning.code import code_digest as code
from ra_icl.planning.plan import make_plan

RESULTS = Path(config["pathvars"]["results"])
FOLD_SUFFIXES = (".csv", ".json", ".safetensors")

try:
    check_config(config)
    plan = make_plan(config)
except InputError as error:
    raise WorkflowError(str(error)) from None


# 0 where there is no GPU; what a job on a cluster may use was settled when it was submitted.
GPU_MIB = gpu_mib() if workflow.is_main_process and workflow.local_exec else 0


wildcard_constraints:
    dataset="casme2|samm|smic|casme3|own",
    protocol="cde|casme3_3|casme3_4|casme3_7|own",
    subject="[^/]+",
    sampling="[^/]+",
    method="[^/]+",
    seed="[0-9]+",


def asked_of(family, **resources):
    """Resources of a generated rule: what a profile sets for `fold` or `flow` holds for every pack of them."""
    asked = workflow.resource_settings.overwrite_resources.get(family, {})
    return resources | {name: partial(resource_of, one) for name, one in asked.items()}


def resource_of(asked, wildcards, **context):
    return asked.evaluate(wildcards, **context).value


def flow_set_of(method, protocol):
    """The checksums of all flow that a fold reads."""
    return f"<results>/flow/{plan.sampling(method)}/{protocol}.sha256"


def cde():
    return [name for name in plan.selected if name == "cde"]


def casme3():
    return [name for name in plan.selected if name.startswith("casme3")]


def own():
    return [name for name in plan.selected if name == "own"]


def score_tables():
    """{name: its protocols} of the tables of scores that this run can print."""
    protocols = {"table1": cde(), "table2": casme3(), "table3": cde(), "table_own": own()}
    return {name: found for name, found in protocols.items() if found and config["tables"][name]}


def count_tables():
    """{name: its datasets} of the tables of counts; Table 5 takes all CAS(ME)³ protocols from the one index."""
    datasets = {"table4": plan.datasets("cde") if cde() else [], "table5": ["casme3"] if casme3() else []}
    return {name: found for name, found in datasets.items() if found}


def confusion_figures():
    """{name: its protocols} of the figures of confusion matrices that this run can draw."""
    protocols = {"figure4": cde(), "figure11": casme3(), "figure_own": own()}
    return {name: found for name, found in protocols.items() if found}


def short(name):
    """What the command line calls a table or figure: "table1" is 1, "table_own" is own."""
    return name.removeprefix("table").removeprefix("figure").removeprefix("_")


def metrics_of(protocols, methods):
    return [f"<results>/metrics/{protocol}/{method}.json" for protocol in protocols for method in methods]


def with_suffixes(stem, suffixes):
    return [f"{stem}.{suffix}" for suffix in suffixes]


def stem(wildcards, output):
    return Path(output[0]).with_suffix("")


def paper_targets():
    """Every table and figure that the protocols of the config allow."""
    tables = [f"<results>/tables/{name}.md" for name in (*score_tables(), *count_tables())]
    return tables + [f"<results>/figures/{name}.png" for name in confusion_figures()]


def paper_folds():
    """The folds behind those tables and figures that are not whole, so that one that was deleted is trained again.

    One file for each job: Snakemake takes a millisecond for every file that it is asked for.
    """
    runs = {
        (protocol, method)
        for name, protocols in score_tables().items()
        for protocol in protocols
        for method in config["tables"][name]
    }
    runs |= {(protocol, config["confusion"]) for protocol in plan.selected}
    packs = [
        [f"{protocol}/{method}/seed{seed}/{fold}{suffix}" for fold in folds for suffix in FOLD_SUFFIXES]
        for protocol, method in sorted(runs)
        for seed in config["seeds"]
        for folds in plan.fold_packs(protocol)
    ]
    missing = [[path for path in pack if not (RESULTS / "folds" / path).exists()] for pack in packs]
    return [f"<results>/folds/{paths[0]}" for paths in missing if paths]


def announce_results():
    results = Path(config["pathvars"]["results"])
    tables = sorted(results.glob("tables/*.md"))
    for title, found in {"Tables": tables, "Figures": sorted(results.glob("figures/*.png"))}.items():
        if found:
            print(f"{title}: " + "  ".join(map(str, found)))


def annotation_of(wildcards):
    """What the index of a dataset is read from: the rendered twin, or the annotation file where there is one."""
    if plan.source == "twins":
        return [f"<results>/twins/{wildcards.dataset}"]
    options = config["datasets"][wildcards.dataset]
    return [str(Path(options["root"], options["annotation"]))] if options["annotation"] else []


def root_of(wildcards):
    """The folder of a dataset or of its rendered twin."""
    if plan.source == "twins":
        return str(Path(config["pathvars"]["results"], "twins", wildcards.dataset))
    return config["datasets"][wildcards.dataset]["root"]


def dataset_options(wildcards):
    """The dataset's slice of the config; a twin lies in the official layout below its own root."""
    if plan.source == "twins":
        return slice_of({"root": str(Path(config["pathvars"]["results"], "twins", wildcards.dataset))})
    return slice_of(config["datasets"][wildcards.dataset])
