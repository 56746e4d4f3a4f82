# Folds: train on all subjects but those of the fold, predict them.


MEMBERS = {member for ensemble in plan.ensembles.values() for member in ensemble["members"]}
TRAINING_CODE = {method: code(*training_modules(options["peer"])) for method, options in plan.methods.items()}


rule fold:
    input:
        index=lambda wildcards: [f"<results>/index/{name}.csv" for name in plan.datasets(wildcards.protocol)],
        flow=lambda wildcards: f"<results>/flow/{plan.sampling(wildcards.method)}/{wildcards.protocol}.sha256",
        choice=lambda wildcards: [
            f"<results>/selection/{path}"
            for path in selection.choice_of(wildcards.protocol, wildcards.method, wildcards.fold)
        ],
    output:
        csv="<results>/folds/{protocol}/{method}/seed{seed}/{fold}.csv",
        json="<results>/folds/{protocol}/{method}/seed{seed}/{fold}.json",
    log:
        "<logs>/folds/{protocol}/{method}/seed{seed}/{fold}.log",
    benchmark:
        "<benchmarks>/folds/{protocol}/{method}/seed{seed}/{fold}.tsv"
    wildcard_constraints:
        method=one_of(plan.methods),
    threads: 1
    resources:
        gpu_share=lambda wildcards: GPU_SHARE * (plan.device(wildcards.method) != "cpu"),
    params:
        code=lambda wildcards: TRAINING_CODE[wildcards.method],
        options=lambda wildcards: plan.training_slice(wildcards.method),
        classes=lambda wildcards: plan.classes(wildcards.protocol),
        source=plan.data_source,
        index=lambda wildcards, input: [f"--index={path}" for path in input.index],
        flow=lambda wildcards, input: Path(input.flow).parent,
        choice=lambda wildcards, input: [f"--choice={path}" for path in input.choice],
        # Not an output, because it exists for some methods only.
        network=lambda wildcards: ["--keep-network"] if wildcards.method in config["keep_networks"] else [],
        epochs=lambda wildcards: ["--keep-epochs"] if selection.keeps_epochs(wildcards.method) else [],
        views=lambda wildcards: ["--keep-views"] if wildcards.method in MEMBERS else [],
        # Not an output, because Snakemake deletes the outputs of a job before it runs and when it fails: from here an
        # interrupted fold resumes, and one whose data, options and code have not changed has its result again.
        checkpoints=f"{RESULTS}/checkpoints/{{protocol}}/{{method}}/seed{{seed}}",
    message:
        "Fold {wildcards.fold} of {wildcards.method} under {wildcards.protocol}, seed {wildcards.seed}"
    # exec: a signal (a time limit, pre-emption) reaches the fold itself, which saves its state before it ends.
    shell:
        "exec ra-icl fold --out {output.csv:q} {params.index:q} --flow {params.flow:q} "
        "--protocol {wildcards.protocol:q} --classes {params.classes:q} --method {wildcards.method:q} "
        "--seed {wildcards.seed:q} --data-source {params.source:q} --threads {threads:q} --code {params.code:q} "
        "--checkpoints {params.checkpoints:q} {params.network:q} {params.epochs:q} {params.views:q} "
        "{params.choice:q} "
        "--options {params.options:q} 2> {log:q}"


# The mean of several trainings: `ensembles` in the config.
rule ensemble:
    input:
        lambda wildcards: [
            f"<results>/folds/{path}"
            for path in plan.member_files(wildcards.protocol, wildcards.method, wildcards.seed, wildcards.fold)
        ],
    output:
        csv="<results>/folds/{protocol}/{method}/seed{seed}/{fold}.csv",
        json="<results>/folds/{protocol}/{method}/seed{seed}/{fold}.json",
    log:
        "<logs>/folds/{protocol}/{method}/seed{seed}/{fold}.log",
    wildcard_constraints:
        method=one_of(plan.ensembles),
    params:
        code=code("ra_icl.evaluation.ensemble"),
        classes=lambda wildcards: plan.classes(wildcards.protocol),
        options=lambda wildcards: plan.ensembles[wildcards.method],
        view=lambda wildcards: plan.view(wildcards.method),
    message:
        "Fold {wildcards.fold} of {wildcards.method} under {wildcards.protocol}, seed {wildcards.seed}"
    shell:
        "ra-icl combine {input:q} --view {params.view:q} --protocol {wildcards.protocol:q} "
        "--classes {params.classes:q} --method {wildcards.method:q} --seed {wildcards.seed:q} "
        "--out {output.csv:q} 2> {log:q}"
