# The plan of this run, and what the rules look up in it.
import os
import re
import sys
from importlib.metadata import version as package_version
from pathlib import Path

from snakemake.pathvars import Pathvars

from ra_icl.datasets.protocols import CASME3, CDE, CROSS
from ra_icl.errors import InputError
from ra_icl.faces.options import NEED_MODEL
from ra_icl.files import speaks_utf8, unusable, use_utf8
from ra_icl.planning.code import code_digest as code
from ra_icl.planning.config import prepare, refuse_twice, slice_of
from ra_icl.planning.figures import apex_inputs, default_of, trained_methods
from ra_icl.planning.instances import cost_inputs
from ra_icl.planning.peers import draws, takes_depth, training_modules
from ra_icl.planning.plan import make_plan
from ra_icl.planning.selection import Selection
from ra_icl.training.gpus import visible_gpus

CLONE = Path(os.path.relpath(Path(workflow.basedir).parent))


def planned():
    """Plan and nested selection of the config, which Snakemake has merged from config/config.yaml and the files of the command line.

    Bad input ends the run with one line; an exception would be shown with the lines of the Snakefile.
    """
    try:
        if workflow.overwrite_workdir and not speaks_utf8():  # the folder to start again in is not known here
            raise InputError("the locale is not UTF-8; run `export PYTHONUTF8=1` first")
        use_utf8()
        refuse_twice([CLONE / "config/config.yaml", *workflow.overwrite_configfiles])
        config.update(prepare(config))
        workflow.pathvars.update(Pathvars.from_config(config))
        found = make_plan(config)
        return found, Selection(found)
    except InputError as error:
        fault = error
    except OSError as error:
        fault = unusable(error)
    sys.exit(f"ra-icl: error: {fault}")


plan, selection = planned()

RESULTS = Path(config["pathvars"]["results"])

# What a job takes of this machine's GPUs, of the 10000 that workflow/profiles/default gives out: `folds_per_gpu` jobs
# share each GPU. 0 without a GPU, where only the cores limit how many jobs run.
GPUS = visible_gpus()
GPU_SHARE = 10000 // (config["folds_per_gpu"] * len(GPUS)) if GPUS else 0


def one_of(names):
    """A wildcard constraint: one of the names, which may be none."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    dataset="casme2|samm|smic|casme3|own",
    protocol=one_of(plan.selected),
    subject="[^/]+",
    sampling="[^/]+",
    method="[^/]+",
    seed="[0-9]+",
    group="group[0-9]+",
    fold="[^/]+",


def annotation_of(wildcards):
    """What an index is read from: the rendered twin, or the annotation file if the dataset has one."""
    if plan.source == "twins":
        return [f"<results>/twins/{wildcards.dataset}"]
    annotation = config["datasets"][wildcards.dataset]["annotation"]
    return files_for_snakemake([os.path.join(root_of(wildcards), annotation)] if annotation else [])


def files_for_snakemake(paths):
    """Those paths that Snakemake takes as they are; in others it would replace {x} and <x>."""
    return [path for path in paths if not re.search("[{<]", path)]


def stamps(paths):
    """[path, time, bytes] of each, so that a file is noticed too that is older than the one it replaces."""
    states = {path: os.stat(path) for path in paths}
    return [[path, state.st_mtime_ns, state.st_size] for path, state in states.items()]


def root_of(wildcards):
    """The folder of a dataset; a twin has the official layout below its own."""
    if plan.source == "twins":
        return str(RESULTS / "twins" / wildcards.dataset)
    return config["datasets"][wildcards.dataset]["root"]


def dataset_options(wildcards):
    if plan.source == "twins":
        return slice_of({"root": root_of(wildcards)})
    return slice_of(config["datasets"][wildcards.dataset])


def frames_of(wildcards):
    """The frame folders and video files of a subject, so that frames which were replaced are noticed."""
    return plan.frames(wildcards.dataset, wildcards.subject) if plan.source == "datasets" else []


def detector_model():
    """The model file of the face detector, if it needs one and has it."""
    faces = config["faces"]
    return [faces["model"]] if faces["detector"] in NEED_MODEL and os.path.isfile(faces["model"]) else []


def depth_of(wildcards):
    """The depth that goes into a flow file, if its sampling has any."""
    if not plan.samplings[wildcards.sampling].get("depth"):
        return []
    return [f"<results>/depth/{wildcards.sampling}/{wildcards.dataset}/{wildcards.subject}.safetensors"]


def depth_images_of(wildcards):
    """Where a subject's depth images are: their folders or, of a twin, the mark that it has them."""
    if plan.source == "twins":
        return [f"<results>/twins/{wildcards.dataset}.depth"]
    return files_for_snakemake(plan.depth_folders(wildcards.dataset, wildcards.subject))


def cde():
    """`cde` or `groups5`, of which a run has one at most."""
    return [name for name in plan.selected if name in CDE]


def casme3():
    return [name for name in plan.selected if name in CASME3]


def own():
    return [name for name in plan.selected if name == "own"]


def is_peer(method):
    return bool(plan.methods[method]["peer"])


def final_models():
    """(protocol, method) of what the target `final_model` trains.

    None for published flow, which comes without frames, nor for a method whose epoch is chosen on held-out subjects.
    """
    wanted, method = config["final_model"]["protocol"], config["final_model"]["method"]
    if plan.source == "public_flow" or selected_epoch(method) != "last":
        return []
    return [(name, method) for name in plan.selected if name not in CROSS and wanted in (None, name)][:1]


def confusion_figures():
    """{figure: its protocols} of the figures of confusion matrices that this run can draw."""
    protocols = {"figure4": cde(), "figure11": casme3(), "figure_own": own()}
    return {name: found for name, found in protocols.items() if found}


def qc_sampling():
    """The flow that quality control looks at: of the confusion matrices' method, or of the first method that has flow.

    None where there are no crops to look at, or where all methods are fed frames.
    """
    methods = [*plan.trained(config["confusion"]), *plan.methods] if plan.source != "public_flow" else []
    return next((plan.sampling(name) for name in methods if plan.methods[name]["sampling"]["mode"] != "frames"), None)


def sweep_figures():
    """{figure: its sweep} of Figures 6-10, under the CDE protocol."""
    return {f"figure{sweep['figure']}": sweep for sweep in plan.sweeps.values() if cde()}


def short(name):
    """What the command line calls a table or figure: "table1" is 1, "table_own" is own, an ablation under CDE is 3."""
    if method := method_of(name):
        tables = {"peers" if is_peer(method) else "3": cde(), "peers_casme3": casme3(), "own": own()}
        return next(table for table, protocols in tables.items() if protocols == single_protocols(method))
    return re.sub("^(table|figure)_?", "", name)


def crops_of(datasets):
    """The crops of all subjects of some datasets; published maps have none."""
    if plan.source == "public_flow":
        return []
    return [f"<results>/crops/{name}/{subject}.safetensors" for name in datasets for subject in plan.subjects(name)]


def metrics_of(protocols, methods):
    return [f"<results>/metrics/{protocol}/{method}.json" for protocol in protocols for method in methods]


def stem(wildcards, output):
    """The first output without its suffix."""
    return Path(output[0]).with_suffix("")


def shown_tables():
    tables = plan.score_tables()
    return [f"<results>/tables/{name}.md" for name in (*tables, *difference_tables(tables), *count_tables())]


def shown_figures():
    return [f"<results>/figures/{name}.png" for name in confusion_figures()]


def shown_folds():
    """The CSV of every fold behind those tables and figures."""
    return [f"<results>/folds/{path}" for run in plan.runs() for path in plan.fold_files(*run)]
