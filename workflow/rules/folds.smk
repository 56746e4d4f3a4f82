# Folds: train on all subjects but one, predict that one. A job does a pack of them, one after another.

# Where there is a GPU a job asks for a share of it; a CPU runs one job per core. `--resources gpu=K` says how many
# share it; without that, as many as fit into its memory. On a cluster the profile says what a job asks for.
if GPU_MIB and "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", folds_beside(plan, GPU_MIB, workflow.global_resources["_cores"].value or 1))


FOLD_CODE = code("ra_icl.training.fold")

for protocol in plan.selected:
    for number, folds in enumerate(plan.fold_packs(protocol), start=1):

        rule:
            name:
                f"fold_{protocol}_{number}"
            input:
                # The protocol as a default, since this is called after the loop has gone on.
                flow=lambda wildcards, protocol=protocol: flow_set_of(wildcards.method, protocol),
            output:
                csv=[f"<results>/folds/{protocol}/{{method}}/seed{{seed}}/{fold}.csv" for fold in folds],
                json=[f"<results>/folds/{protocol}/{{method}}/seed{{seed}}/{fold}.json" for fold in folds],
                network=[f"<results>/folds/{protocol}/{{method}}/seed{{seed}}/{fold}.safetensors" for fold in folds],
            log:
                f"<logs>/folds/{protocol}/{{method}}/seed{{seed}}/pack{number}.log",
            benchmark:
                f"<benchmarks>/folds/{protocol}/{{method}}/seed{{seed}}/pack{number}.tsv"
            conda:
                "../../environment.yml"
            threads: 1
            resources:
                **asked_of("fold", gpu=1 if GPU_MIB else 0),
            params:
                code=FOLD_CODE,
                options=lambda wildcards: plan.training_slice(wildcards.method),
                classes=plan.classes(protocol),
                index=[f"--index={RESULTS}/index/{name}.csv" for name in plan.datasets(protocol)],
                flow=lambda wildcards, input: Path(input.flow).parent,
                protocol=protocol,
                source=plan.source,
                # Not outputs: what a job leaves behind when it fails is deleted, and from these the next one goes on.
                checkpoints=f"{RESULTS}/checkpoints/{protocol}/{{method}}/seed{{seed}}",
            message:
                f"Folds {folds[0]} to {folds[-1]} of {{wildcards.method}} under {protocol}, seed {{wildcards.seed}}"
            # exec: a signal (a time limit, pre-emption) reaches the fold itself, which keeps its state before it ends.
            shell:
                "exec ra-icl fold {output.csv:q} --protocol {params.protocol} --classes {params.classes:q} --method {wildcards.method} "
                "--seed {wildcards.seed} --data-source {params.source} --threads {threads} {params.index:q} --flow {params.flow:q} "
                "--flow-digest {input.flow:q} --code {params.code} --checkpoints {params.checkpoints:q} --options {params.options:q} 2> {log:q}"
