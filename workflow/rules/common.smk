# The plan of this run, and what the rules ask of it. The package decides how; Snakemake decides what runs.
import shutil
from hashlib import sha256
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError

from ra_icl.errors import InputError
from ra_icl.plan import check_config, make_plan, slice_of

SCHEMA = Path(workflow.basedir) / "schemas" / "config.schema.yaml"
CODE = Path(workflow.basedir).parent / "ra_icl"

try:
    check_config(config, yaml.safe_load(SCHEMA.read_text()))
    plan = make_plan(config)
except InputError as error:
    raise WorkflowError(str(error)) from None


wildcard_constraints:
    dataset="casme2|samm|smic|casme3",
    protocol="cde|casme3_3|casme3_4|casme3_7",
    subject="[^/]+",
    sampling="[^/]+",
    method="[^/]+",
    fold="[^/]+",
    seed="[0-9]+",


def code(*names):
    """A digest of the package's files that a step depends on: as a parameter, so that a changed step runs again."""
    files = [path for name in names for path in sorted(CODE.glob(name))]
    return sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def cde():
    return [name for name in plan.selected if name == "cde"]


def casme3():
    return [name for name in plan.selected if name.startswith("casme3")]


def table_methods(number):
    return config["tables"][f"table{number}"]


def metrics_of(protocols, methods):
    return [f"<results>/metrics/{protocol}/{method}.json" for protocol in protocols for method in methods]


def with_suffixes(stem, suffixes):
    return [f"{stem}.{suffix}" for suffix in suffixes]


def stem(wildcards, output):
    return Path(output[0]).with_suffix("")


def paper_targets():
    """Every table and figure that the protocols of the config allow."""
    tables = {1: cde(), 2: casme3(), 3: cde()}
    figures = {4: cde(), 11: casme3()}
    made = [f"<results>/tables/table{number}.md" for number in tables if tables[number] and table_methods(number)]
    return made + [f"<results>/figures/figure{number}.png" for number in figures if figures[number]]


def paper_folds():
    """Every fold behind those tables and figures, so that one that was deleted is trained again."""
    tables = {1: cde(), 2: casme3(), 3: cde()}
    runs = {(protocol, method) for number in tables for protocol in tables[number] for method in table_methods(number)}
    runs |= {(protocol, config["confusion"]) for protocol in plan.selected}
    return [
        f"<results>/folds/{Path(path).with_suffix(suffix)}"
        for run in sorted(runs)
        for path in plan.fold_files(*run)
        for suffix in (".csv", ".json", ".safetensors")
    ]


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


def dataset_options(wildcards):
    """The dataset's slice of the config; a twin lies in the official layout below its own root."""
    if plan.source == "twins":
        return slice_of({"root": str(Path(config["pathvars"]["results"], "twins", wildcards.dataset))})
    return slice_of(config["datasets"][wildcards.dataset])
