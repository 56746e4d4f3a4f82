# The index of each dataset, from its annotation; the twins of a demo come first.


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


# Beside the colour frames of a twin that is there, and only if a method wants it, since it takes longer than they do.
rule twin_depth:
    input:
        "<results>/twins/{dataset}",
    output:
        touch("<results>/twins/{dataset}.depth"),
    log:
        "<logs>/twins/{dataset}.depth.log",
    params:
        code=code("ra_icl.twins.depth"),
        options=slice_of(config["twins"]),
    message:
        "Rendering the depth of the synthetic twin of {wildcards.dataset}"
    shell:
        "ra-icl twin-depth --root {input:q} --options {params.options:q} 2> {log:q}"


if plan.source == "public_flow":

    rule published_index:
        output:
            "<results>/index/{dataset}.csv",
        log:
            "<logs>/index/{dataset}.log",
        params:
            code=code("ra_icl.datasets.public_flow", "ra_icl.datasets.left_out"),
            options=lambda wildcards: slice_of(config["public_flow"]),
            exclude=lambda wildcards: plan.exclusions(wildcards.dataset),
            rows=lambda wildcards: plan.index_digest(wildcards.dataset),
        message:
            "Reading the table of published flow maps for {wildcards.dataset}"
        shell:
            "ra-icl published-index --dataset {wildcards.dataset:q} --options {params.options:q} "
            "--exclude {params.exclude:q} --out {output:q} 2> {log:q}"

else:

    rule index:
        input:
            annotation_of,
        output:
            "<results>/index/{dataset}.csv",
        log:
            "<logs>/index/{dataset}.log",
        params:
            code=code("ra_icl.datasets.reading", "ra_icl.datasets.left_out"),
            options=dataset_options,
            exclude=lambda wildcards: plan.exclusions(wildcards.dataset),
            # Not of the annotation alone: folders carry SMIC's labels, and a video says which frame is at a time.
            rows=lambda wildcards: plan.index_digest(wildcards.dataset),
        message:
            "Reading the annotation of {wildcards.dataset}"
        shell:
            "ra-icl index --dataset {wildcards.dataset:q} --options {params.options:q} "
            "--exclude {params.exclude:q} --out {output:q} 2> {log:q}"
