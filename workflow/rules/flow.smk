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
                    code=code("ra_icl.datasets.public_flow"),
                    options=slice_of(config["public_flow"][source]),
                    folder=lambda wildcards, output: Path(output[0]).parent,
                message:
                    f"Reading the published flow maps ({source}) of {dataset}"
                shell:
                    "ra-icl published-flow --index {input.index:q} --options {params.options:q} "
                    "--out {params.folder:q} 2> {log:q}"

else:

    FLOW_CODE = code("ra_icl.flow.subjects", f"ra_icl.flow.tvl1_{config['flow']['backend']}")
    FLOW_PACKAGES = {"numba": "numba", "opencv": "opencv-contrib-python", "torch": "torch"}
    FLOW_VERSION = package_version(FLOW_PACKAGES[config["flow"]["backend"]])
    # Backend torch asks for a GPU as a fold does: on a cluster always, here where there is one.
    FLOW_GPUS = int(config["flow"]["backend"] == "torch" and (GPU_MIB > 0 or not workflow.local_exec))

    # A job does a pack of subjects, so that start-up is a small part of it. One that fails loses its pack, a minute or
    # one large subject: Snakemake deletes the outputs of a failed job, whole or not.
    for sampling, options in plan.samplings().items():
        for dataset in plan.all_datasets():
            for number, subjects in enumerate(plan.packs(dataset, options), start=1):

                rule:
                    name:
                        f"flow_{sampling}_{dataset}_{number}".replace("-", "_")
                    input:
                        index=f"<results>/index/{dataset}.csv",
                        crops=[f"<results>/crops/{dataset}/{subject}.safetensors" for subject in subjects],
                    output:
                        [f"<results>/flow/{sampling}/{dataset}/{subject}.safetensors" for subject in subjects],
                    log:
                        f"<logs>/flow/{sampling}/{dataset}/pack{number}.log",
                    benchmark:
                        f"<benchmarks>/flow/{sampling}/{dataset}/pack{number}.tsv"
                    conda:
                        "../../environment.yml"
                    resources:
                        **asked_of("flow", gpu=FLOW_GPUS),
                    params:
                        code=FLOW_CODE,
                        version=FLOW_VERSION,
                        subjects=[f"--subject={subject}" for subject in subjects],
                        crops=lambda wildcards, input: Path(input.crops[0]).parent,
                        out=lambda wildcards, output: Path(output[0]).parent,
                        sampling=slice_of(options),
                        options=slice_of(config["flow"]),
                    message:
                        f"Optical flow and strain of {dataset} {subjects[0]} to {subjects[-1]}, sampling {sampling}"
                    shell:
                        "ra-icl flow --index {input.index:q} {params.subjects:q} --crops {params.crops:q} "
                        "--sampling {params.sampling:q} --options {params.options:q} --out {params.out:q} 2> {log:q}"


# A fold reads the indexes and the flow of all subjects. One file with their checksums stands for them: a thousand folds
# that named 70 files each would keep Snakemake busy for longer than they train.
rule flow_set:
    input:
        lambda wildcards: [f"<results>/index/{name}.csv" for name in plan.datasets(wildcards.protocol)],
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
