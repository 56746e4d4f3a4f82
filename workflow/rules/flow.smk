# Crops to flow and strain; published flow maps take the place of both.

if plan.source == "public_flow":

    # A subject takes milliseconds to read: one job for all subjects of a dataset.
    for source in config["public_flow"]:
        for dataset in plan.datasets("cde"):

            rule:
                name:
                    f"published_flow_{source}_{dataset}"
                input:
                    index=f"<results>/index/{dataset}.csv",
                output:
                    [
                        f"<results>/flow/published-{source}/{dataset}/{subject}.safetensors"
                        for subject in plan.subjects(dataset)
                    ],
                log:
                    f"<logs>/flow/published-{source}/{dataset}.log",
                conda:
                    "../../environment.yml"
                params:
                    code=code("datasets/public_flow.py"),
                    options=slice_of(config["public_flow"][source]),
                    folder=lambda wildcards, output: Path(output[0]).parent,
                message:
                    f"Reading the published flow maps ({source}) of {dataset}"
                shell:
                    "ra-icl published-flow --index {input.index:q} --options {params.options:q} "
                    "--out {params.folder:q} 2> {log:q}"

else:

    rule flow:
        input:
            index="<results>/index/{dataset}.csv",
            crops="<results>/crops/{dataset}/{subject}.safetensors",
        output:
            "<results>/flow/{sampling}/{dataset}/{subject}.safetensors",
        log:
            "<logs>/flow/{sampling}/{dataset}/{subject}.log",
        benchmark:
            "<benchmarks>/flow/{sampling}/{dataset}/{subject}.tsv"
        conda:
            "../../environment.yml"
        params:
            code=code("flow/*.py", "sampling.py"),
            version=package_version(
                {"numba": "numba", "opencv": "opencv-contrib-python", "torch": "torch"}[config["flow"]["backend"]]
            ),
            sampling=lambda wildcards: plan.sampling_slice(wildcards.sampling),
            options=slice_of(config["flow"]),
        message:
            "Optical flow and strain of {wildcards.dataset} {wildcards.subject}, sampling {wildcards.sampling}"
        shell:
            "ra-icl flow --index {input.index:q} --subject {wildcards.subject:q} --crops {input.crops:q} "
            "--sampling {params.sampling:q} --options {params.options:q} --out {output:q} 2> {log:q}"


# A fold reads the flow of all subjects. One file with their checksums stands for them: a thousand folds that named
# 68 files each would keep Snakemake busy for longer than they train.
rule flow_set:
    input:
        lambda wildcards: [f"<results>/flow/{path}" for path in plan.flow_files(wildcards.protocol, wildcards.sampling)],
    output:
        "<results>/flow/{sampling}/{protocol}.sha256",
    log:
        "<logs>/flow/{sampling}/{protocol}.log",
    conda:
        "../../environment.yml"
    message:
        "Checksums of the flow, sampling {wildcards.sampling}, for {wildcards.protocol}"
    shell:
        "sha256sum {input:q} > {output:q} 2> {log:q}"
