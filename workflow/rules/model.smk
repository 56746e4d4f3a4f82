# A model to use on other clips: a method trained on all subjects, with its card: `snakemake --cores all final_model`.

if final_models():

    # The metrics come first, because a model whose score nobody knows is of no use.
    rule model:
        input:
            index=lambda wildcards: [f"<results>/index/{name}.csv" for name in plan.datasets(wildcards.protocol)],
            flow=lambda wildcards: f"<results>/flow/{plan.sampling(wildcards.method)}/{wildcards.protocol}.sha256",
            crops=lambda wildcards: crops_of(plan.datasets(wildcards.protocol)),
            metrics="<results>/metrics/{protocol}/{method}.json",
            choices=lambda wildcards: [
                f"<results>/selection/{path}" for path in selection.choices_of(wildcards.protocol, wildcards.method)
            ],
        output:
            "<results>/models/{protocol}/{method}.safetensors",
        log:
            "<logs>/models/{protocol}/{method}.log",
        wildcard_constraints:
            method=one_of(plan.methods),
        threads: 1
        resources:
            gpu_share=lambda wildcards: GPU_SHARE * (plan.device(wildcards.method) != "cpu"),
        params:
            code=code("ra_icl.training.final"),
            prediction=code("ra_icl.recognition.recognise", f"ra_icl.flow.tvl1_{config['flow']['backend']}"),
            score=code("ra_icl.recognition.score"),
            options=lambda wildcards: plan.training_slice(wildcards.method),
            classes=lambda wildcards: plan.classes(wildcards.protocol),
            source=plan.data_source,
            title=lambda wildcards: plan.methods[wildcards.method]["title"],
            seed=config["final_model"]["seed"],
            index=lambda wildcards, input: [f"--index={path}" for path in input.index],
            flow=lambda wildcards, input: Path(input.flow).parent,
            crops=f"{RESULTS}/crops",
            choices=lambda wildcards, input: [f"--choice={path}" for path in input.choices],
            checkpoints=f"{RESULTS}/checkpoints/models/{{protocol}}/{{method}}",
        message:
            "Training {wildcards.method} on all subjects of {wildcards.protocol}"
        # exec: a signal reaches the training itself, which saves its state before it ends.
        shell:
            "exec ra-icl final-model --out {output:q} {params.index:q} --flow {params.flow:q} "
            "--crops {params.crops:q} --metrics {input.metrics:q} --protocol {wildcards.protocol:q} "
            "--classes {params.classes:q} --method {wildcards.method:q} --title {params.title:q} "
            "--seed {params.seed:q} --data-source {params.source:q} --threads {threads:q} "
            "--checkpoints {params.checkpoints:q} {params.choices:q} --options {params.options:q} 2> {log:q}"

    # Apart from the training, which other words on the card do not repeat.
    rule model_card:
        input:
            "<results>/models/{protocol}/{method}.safetensors",
        output:
            "<results>/models/{protocol}/{method}.md",
            in_report("<results>/models/{protocol}/{method}.html", "Model", method_title, "model"),
        log:
            "<logs>/models/{protocol}/{method}.card.log",
        wildcard_constraints:
            method=one_of(plan.methods),
        params:
            code=code("ra_icl.recognition.card"),
            out=stem,
        message:
            "Card of the model {wildcards.method} of {wildcards.protocol}"
        shell:
            "ra-icl model-card {input:q} --out {params.out:q} 2> {log:q}"

    rule final_model:
        input:
            [
                f"<results>/models/{protocol}/{method}.{suffix}"
                for protocol, method in final_models()
                for suffix in ("safetensors", "md", "html")
            ],
