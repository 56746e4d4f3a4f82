# Frames to crops, crops to flow and strain; published flow maps replace both.


# MediaPipe runs in a second environment, with an older OpenCV than the rest of the run.
CROPS_VERSION = "" if config["faces"]["detector"] == "mediapipe" else package_version("opencv-contrib-python")


rule crops:
    input:
        index="<results>/index/{dataset}.csv",
        frames=lambda wildcards: files_for_snakemake(frames_of(wildcards)),
    output:
        "<results>/crops/{dataset}/{subject}.safetensors",
    log:
        "<logs>/crops/{dataset}/{subject}.log",
    benchmark:
        "<benchmarks>/crops/{dataset}/{subject}.tsv"
    params:
        code=code("ra_icl.faces.crop"),
        version=CROPS_VERSION,
        root=root_of,
        # A function, because Snakemake replaces {x} in text.
        options=lambda wildcards: slice_of(config["faces"]),
        stamps=lambda wildcards: stamps([*frames_of(wildcards), *detector_model()]),
    message:
        "Cropping the faces of {wildcards.dataset} {wildcards.subject}"
    shell:
        "ra-icl crop --index {input.index:q} --subject {wildcards.subject:q} --root {params.root:q} "
        "--options {params.options:q} --out {output:q} 2> {log:q}"


# The depth of what a sampling with depth takes, of CAS(ME)³ alone.
rule depth:
    input:
        index="<results>/index/{dataset}.csv",
        crops="<results>/crops/{dataset}/{subject}.safetensors",
        images=depth_images_of,
    output:
        "<results>/depth/{sampling}/{dataset}/{subject}.safetensors",
    log:
        "<logs>/depth/{sampling}/{dataset}/{subject}.log",
    params:
        code=code("ra_icl.faces.depth", "ra_icl.flow.sampling"),
        version=package_version("opencv-contrib-python"),
        root=root_of,
        sampling=lambda wildcards: slice_of(plan.samplings[wildcards.sampling]),
        stamps=lambda wildcards: stamps(plan.depth_folders(wildcards.dataset, wildcards.subject)),
    message:
        "Cutting the depth of {wildcards.dataset} {wildcards.subject}, sampling {wildcards.sampling}"
    shell:
        "ra-icl depth --index {input.index:q} --subject {wildcards.subject:q} --root {params.root:q} "
        "--crops {input.crops:q} --sampling {params.sampling:q} --out {output:q} 2> {log:q}"


FLOW_PACKAGES = {"numba": "numba", "opencv": "opencv-contrib-python", "torch": "torch"}


rule flow:
    input:
        index="<results>/index/{dataset}.csv",
        crops="<results>/crops/{dataset}/{subject}.safetensors",
        depth=depth_of,
    output:
        "<results>/flow/{sampling}/{dataset}/{subject}.safetensors",
    log:
        "<logs>/flow/{sampling}/{dataset}/{subject}.log",
    benchmark:
        "<benchmarks>/flow/{sampling}/{dataset}/{subject}.tsv"
    wildcard_constraints:
        sampling="(?!published-)[^/]+",
    resources:
        gpu_share=GPU_SHARE if config["flow"]["backend"] == "torch" else 0,
    params:
        code=code("ra_icl.flow.subjects", f"ra_icl.flow.tvl1_{config['flow']['backend']}"),
        version=package_version(FLOW_PACKAGES[config["flow"]["backend"]]),
        sampling=lambda wildcards: slice_of(plan.samplings[wildcards.sampling]),
        options=slice_of({key: config["flow"][key] for key in ("backend", "schedule", config["flow"]["schedule"])}),
        depth=lambda wildcards, input: [f"--depth={path}" for path in input.depth],
    message:
        "Optical flow and strain of {wildcards.dataset} {wildcards.subject}, sampling {wildcards.sampling}"
    shell:
        "ra-icl flow --index {input.index:q} --subject {wildcards.subject:q} --crops {input.crops:q} "
        "--sampling {params.sampling:q} --options {params.options:q} {params.depth:q} --out {output:q} 2> {log:q}"


rule published_flow:
    input:
        index="<results>/index/{dataset}.csv",
    output:
        "<results>/flow/published-{source}/{dataset}/{subject}.safetensors",
    log:
        "<logs>/flow/published-{source}/{dataset}/{subject}.log",
    params:
        code=code("ra_icl.datasets.public_flow"),
        options=lambda wildcards: slice_of(config["public_flow"][wildcards.source]),
    message:
        "Reading the published flow maps ({wildcards.source}) of {wildcards.dataset} {wildcards.subject}"
    shell:
        "ra-icl published-flow --index {input.index:q} --subject {wildcards.subject:q} "
        "--options {params.options:q} --out {output:q} 2> {log:q}"


# What the folds of a protocol are fed, a line per sequence. A thousand folds that named 70 flow files each would keep
# Snakemake busy for longer than they train.
rule flow_set:
    input:
        lambda wildcards: [f"<results>/flow/{path}" for path in plan.flow_files(wildcards.protocol, wildcards.sampling)],
    output:
        "<results>/flow/{sampling}/{protocol}.sha256",
    log:
        "<logs>/flow/{sampling}/{protocol}.log",
    params:
        code=code("ra_icl.flow.checksums"),
    message:
        "Verifying the flow of {wildcards.protocol}, sampling {wildcards.sampling}"
    shell:
        "ra-icl flow-set {input:q} --out {output:q} 2> {log:q}"
