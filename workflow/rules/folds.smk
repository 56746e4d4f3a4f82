# One job per held-out subject: train on the others, predict it.

# Where there is a GPU a fold asks for a share of it; a CPU runs one fold per core. `--resources gpu=K` says how many
# share it; without that, as many as fit into its memory. On a cluster the profile says what a job asks for.
if GPU_MIB and workflow.is_main_process and workflow.local_exec and "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", folds_beside(plan, GPU_MIB, workflow.global_resources["_cores"].value or 1))


rule fold:
    input:
        flow=lambda wildcards: f"<results>/flow/{plan.sampling(wildcards.method)}/{wildcards.protocol}.sha256",
    output:
        multiext(
            "<results>/folds/{protocol}/{method}/seed{seed}/{fold}",
            csv=".csv",
            json=".json",
            network=".safetensors",
        ),
    log:
        "<logs>/folds/{protocol}/{method}/seed{seed}/{fold}.log",
    benchmark:
        "<benchmarks>/folds/{protocol}/{method}/seed{seed}/{fold}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=1 if GPU_MIB else 0,
    params:
        code=code(*TRAINING_CODE),
        options=lambda wildcards: plan.training_slice(wildcards.method),
        classes=lambda wildcards: plan.classes(wildcards.protocol),
        index=lambda wildcards: [f"--index={RESULTS}/index/{name}.csv" for name in plan.datasets(wildcards.protocol)],
        flow=lambda wildcards, input: Path(input.flow).parent,
        out=f"{RESULTS}/folds/{{protocol}}/{{method}}/seed{{seed}}/{{fold}}",
        source=plan.source,
        # Not an output: what a job leaves behind when it fails is deleted, and this is what the next one goes on from.
        checkpoint=f"{RESULTS}/checkpoints/{{protocol}}/{{method}}/seed{{seed}}/{{fold}}.safetensors",
    message:
        "Fold {wildcards.fold} of {wildcards.method} under {wildcards.protocol}, seed {wildcards.seed}"
    # exec: a signal (a time limit, pre-emption) reaches the fold itself, which keeps its state before it ends.
    shell:
        "exec ra-icl fold --protocol {wildcards.protocol} --classes {params.classes:q} --method {wildcards.method} --name {wildcards.fold:q} "
        "--seed {wildcards.seed} --data-source {params.source} --threads {threads} {params.index:q} "
        "--flow {params.flow:q} --flow-digest {input.flow:q} --checkpoint {params.checkpoint:q} --options {params.options:q} --out {params.out:q} 2> {log:q}"
