# Annotation to index, frames to crops; in a demo, the twins come first.

if plan.source == "twins":

    rule twins:
        output:
            directory("<results>/twins/{dataset}"),
        log:
            "<logs>/twins/{dataset}.log",
        conda:
            "../../environment.yml"
        params:
            code=code("ra_icl.twins.render"),
            options=slice_of(config["twins"]),
        message:
            "Rendering the synthetic twin of {wildcards.dataset}"
        shell:
            "ra-icl twins --dataset {wildcards.dataset} --options {params.options:q} --out {output:q} 2> {log:q}"


if plan.source == "public_flow":

    rule published_index:
        output:
            "<results>/index/{dataset}.csv",
        log:
            "<logs>/index/{dataset}.log",
        conda:
            "../../environment.yml"
        params:
            code=code("ra_icl.datasets.public_flow"),
            options=slice_of(config["public_flow"]),
        message:
            "Reading the table of published flow maps for {wildcards.dataset}"
        shell:
            "ra-icl published-index --dataset {wildcards.dataset} --options {params.options:q} --out {output:q} 2> {log:q}"

else:

    rule index:
        input:
            annotation_of,
        output:
            "<results>/index/{dataset}.csv",
        log:
            "<logs>/index/{dataset}.log",
        conda:
            "../../environment.yml"
        params:
            code=code("ra_icl.datasets.reading"),
            options=dataset_options,
        message:
            "Reading the annotation of {wildcards.dataset}"
        shell:
            "ra-icl index --dataset {wildcards.dataset} --options {params.options:q} --out {output:q} 2> {log:q}"

    rule crops:
        input:
            index="<results>/index/{dataset}.csv",
        output:
            "<results>/crops/{dataset}/{subject}.safetensors",
        log:
            "<logs>/crops/{dataset}/{subject}.log",
        benchmark:
            "<benchmarks>/crops/{dataset}/{subject}.tsv"
        conda:
            "../../environment.yml"
        params:
            code=code("ra_icl.faces.crop"),
            options=slice_of(config["faces"]),
            root=root_of,
        message:
            "Cropping the faces of {wildcards.dataset} {wildcards.subject}"
        shell:
            "ra-icl crop --index {input.index:q} --root {params.root:q} --subject {wildcards.subject:q} "
            "--options {params.options:q} --out {output:q} 2> {log:q}"
