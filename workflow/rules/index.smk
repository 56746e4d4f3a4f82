# The index of each dataset, from its annotation; the twins of a demo come first.


def annotation_of(wildcards):
    """What an index is read from: the rendered twin, or the annotation file if the dataset has one."""
    if plan.source == "twins":
        return [f"<results>/twins/{wildcards.dataset}"]
    options = config["datasets"][wildcards.dataset]
    return [str(Path(options["root"]).expanduser() / options["annotation"])] if options["annotation"] else []


def root_of(wildcards):
    """The folder of a dataset; a twin has the official layout below its own."""
    if plan.source == "twins":
        return RESULTS / "twins" / wildcards.dataset
    return Path(config["datasets"][wildcards.dataset]["root"]).expanduser()


def dataset_options(wildcards):
    if plan.source == "twins":
        return slice_of({"root": str(root_of(wildcards))})
    return slice_of(config["datasets"][wildcards.dataset])


rule twins:
    output:
        directory("<results>/twins/{dataset}"),
    log:
        "<logs>/twins/{dataset}.log",
    params:
        code=code("ra_icl.twins.render"),
        options=slice_of(config["twins"]),
    message:
        "Rendering the synthetic twin of {wildcards.dataset}"
    shell:
        "ra-icl twins --dataset {wildcards.dataset:q} --options {params.options:q} --out {output:q} 2> {log:q}"


if plan.source == "public_flow":

    rule published_index:
        output:
            "<results>/index/{dataset}.csv",
        log:
            "<logs>/index/{dataset}.log",
        params:
            code=code("ra_icl.datasets.public_flow"),
            options=slice_of(config["public_flow"]),
        message:
            "Reading the table of published flow maps for {wildcards.dataset}"
        shell:
            "ra-icl published-index --dataset {wildcards.dataset:q} --options {params.options:q} "
            "--out {output:q} 2> {log:q}"

else:

    rule index:
        input:
            annotation_of,
        output:
            "<results>/index/{dataset}.csv",
        log:
            "<logs>/index/{dataset}.log",
        params:
            code=code("ra_icl.datasets.reading"),
            options=dataset_options,
        message:
            "Reading the annotation of {wildcards.dataset}"
        shell:
            "ra-icl index --dataset {wildcards.dataset:q} --options {params.options:q} --out {output:q} 2> {log:q}"
