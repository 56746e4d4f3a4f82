# What the report shows, under which heading and words. A rule declares its outputs with these functions.
from ra_icl.datasets.index import TITLES
from ra_icl.datasets.names import original
from ra_icl.evaluation.method_page import setting
from ra_icl.evaluation.sweeps import over


def in_report(path, category, label, caption, subcategory=None):
    """An output that the report shows in `category` under the words of `label`; workflow/report/{caption}.rst explains it.

    label: text, which may hold wildcards, or a function of them. A result has this one label: of a second one with two
    values Snakemake makes a switch, behind which it looks for results that there are not.
    """
    labels = lambda wildcards: {"Result": label_of(label, wildcards)}
    return report(path, caption=f"../report/{caption}.rst", category=category, subcategory=subcategory, labels=labels)


def label_of(label, wildcards):
    """The words of a label; what a function makes has no braces, in which Snakemake would look for wildcards."""
    return re.sub("[{}]", "", label(wildcards)) if callable(label) else label


def table_files(stem, category, label, caption):
    """The files of a table. The report shows its page, which hands out the others."""
    return [*multiext(stem, ".csv", ".md", ".tex", ".notes.md"), in_report(f"{stem}.html", category, label, caption)]


def figure_files(stem, category, label, caption):
    """The files of a figure. The report shows both."""
    printed = lambda wildcards: f"{label_of(label, wildcards)} (PDF)"
    return [in_report(f"{stem}.pdf", category, printed, caption), in_report(f"{stem}.png", category, label, caption)]


def table_title(wildcards):
    """What the report calls a table: its number in the paper, if it has one, and what it compares."""
    name = wildcards.table
    if method := method_of(name):
        return f"{title_of(method)}, a table of its own"
    return TABLE_TITLES.get(name, name.replace("_", " ").capitalize())


TABLE_TITLES = {
    "table1": "Table 1: three datasets together (CDE)",
    "table2": "Table 2: CAS(ME)³ with 3, 4 and 7 classes",
    "table3": "Table 3: ablation of MIR, IRC and MRD",
    "table3_controls": "Table 3, controls",
    "table_own": "Own data",
    "cross": "Across datasets",
    "ensembles": "Ensembles",
    "differences": "Methods of Table 3",
    "differences_controls": "Controls of Table 3",
    "differences_ensembles": "Ensembles",
    "peers": "Peers and Ra-ICL on the same folds",
    "peers_casme3": "Peers and Ra-ICL on the same folds of CAS(ME)³",
    "differences_peers": "Ra-ICL minus each peer",
    "differences_own": "Own data",
    "leak": "What choosing the epoch on test subjects gains",
    "leak_peers": "What choosing the epoch on test subjects gains peers",
    "cost": "What each method costs",
    "cost_peers": "What each peer costs",
    "table4": "Table 4: sequences per class (CDE)",
    "table5": "Table 5: sequences per class of CAS(ME)³",
}


def heading(category):
    """The heading of the report that a table stands under: that of peers for theirs, else `category`."""
    of_peers = lambda table: method_of(table) == table or "peers" in table.split("_")
    return lambda wildcards: "Peers" if of_peers(wildcards.table) else category


def figure_title(wildcards):
    """What the report calls a figure of confusion matrices or a sweep."""
    name = wildcards.figure
    if name in sweep_figures():
        return f"Figure {short(name)}: scores {over(sweep_figures()[name]['key'])}"
    what = {"figure4": "Figure 4: three datasets (CDE)", "figure11": "Figure 11: CAS(ME)³", "figure_own": "Own data"}
    return f"{what[name]}, {title_of(config['confusion'])}"


def title_of(method):
    """What tables call a method or an ensemble."""
    return (plan.ensembles.get(method) or plan.methods[method])["title"]


def swept_title(wildcards):
    """The title of the method of which a figure varies a key."""
    (name,) = [name for name, sweep in plan.sweeps.items() if f"figure{sweep['figure']}" == wildcards.figure]
    return title_of(config["sweeps"][name]["method"])


def entry_of(name):
    """What the config has under the name of a method or an ensemble; nothing for a value of a sweep."""
    return config["ensembles"].get(name) or config["methods"].get(name) or {}


def method_title(wildcards):
    """A method and what it was tested on."""
    return f"{title_of(wildcards.method)}: {setting(wildcards.protocol, plan.datasets(wildcards.protocol))}"


def dataset_title(wildcards):
    return TITLES[wildcards.dataset]


def qc_subject_title(wildcards):
    return f"Subject {original(wildcards.subject)}: motion energy"


def qc_files():
    """What quality control shows, of data that come with frames."""
    if plan.source == "public_flow":
        return []
    subjects = [f"{dataset}/{subject}" for dataset in plan.all_datasets() for subject in plan.subjects(dataset)]
    return [
        *(f"<results>/qc/{name}.{suffix}" for name in plan.all_datasets() for suffix in ("csv", "html", "png")),
        *(f"<results>/qc/{subject}.png" for subject in subjects),
    ]


def measured():
    """(protocol, method) of all metrics there are, including those made on request and those of a sweep's values."""
    known = {*plan.methods, *plan.ensembles}
    paths = [path for protocol in plan.selected for path in sorted((RESULTS / "metrics" / protocol).glob("[!.]*.json"))]
    return [(path.parent.name, path.stem) for path in paths if path.stem in known]


def shown_methods():
    """(protocol, method) of the tables of scores, of the confusion matrices, and of whatever else was measured.

    Values of sweeps are left out: their figures show them.
    """
    tables = plan.score_tables().values()
    found = [(protocol, method) for protocols, methods in tables for protocol in protocols for method in methods]
    found += [(protocol, config["confusion"]) for protocols in confusion_figures().values() for protocol in protocols]
    found += [one for one in measured() if one[1] in {**plan.config["methods"], **plan.ensembles}]
    return list(dict.fromkeys(found))


def everything_trained():
    """(protocol, method) of everything that the page of the run covers, the members of ensembles among them."""
    return list(dict.fromkeys([*shown_methods(), *plan.runs(), *measured()]))


def report_files():
    """What the report shows: of this config, and whatever was made on request and is still there.

    Not what is left of attention if this config no longer keeps the networks that it needs.
    """
    tables = [*plan.score_tables(), *difference_tables(plan.score_tables()), *count_tables()]
    tables += [name for name in ("cost", "leak") if name in (*COST_TABLES, *LEAK_TABLES)]
    made = [
        *(f"<results>/tables/{name}.html" for name in tables),
        *(f"<results>/pages/{protocol}/{method}.html" for protocol, method in shown_methods()),
        "<results>/pages/run.html",
        *shown_figures(),
        *qc_files(),
    ]
    folders = [RESULTS / name for name in ("tables", "figures", "pages", "models")]
    seen = [path for folder in folders for suffix in ("html", "png") for path in folder.rglob(f"[!.]*.{suffix}")]
    if attention_fault():
        seen = [path for path in seen if "attention" not in (path.stem, path.parent.name)]
    return list(dict.fromkeys([*made, *sorted(f"<results>/{path.relative_to(RESULTS)}" for path in seen)]))
