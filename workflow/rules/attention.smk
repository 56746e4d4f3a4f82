# What networks look at, of the methods that `attention` in the config names: the target `attention`.


ATTENTION = attention_panels(plan)
ATTENTION_GRIDS = ["maps", *(["regions"] if region_methods(plan) else [])]


# Figures 5 and 12: a file per dataset and class.
rule attention_figure:
    input:
        folds=lambda wildcards: folds_seen(ATTENTION[wildcards.panel]),
        index=lambda wildcards: [
            f"<results>/index/{name}.csv" for name in plan.datasets(ATTENTION[wildcards.panel].protocol)
        ],
        flow=lambda wildcards: (
            f"<results>/flow/{plan.sampling(config['attention']['figures'][0])}/"
            f"{ATTENTION[wildcards.panel].protocol}.sha256"
        ),
        crops=lambda wildcards: crops_of([ATTENTION[wildcards.panel].dataset]),
    output:
        figure_files("<results>/figures/attention/{panel}_{grid}", "Attention", attention_title, "attention"),
    log:
        "<logs>/figures/attention/{panel}_{grid}.log",
    wildcard_constraints:
        panel=one_of(ATTENTION),
        grid=one_of(ATTENTION_GRIDS),
    params:
        code=code("ra_icl.attention.figures"),
        seen=lambda wildcards: what_was_seen(ATTENTION[wildcards.panel].protocol),
        flow=lambda wildcards, input: Path(input.flow).parent,
        dataset=lambda wildcards: ATTENTION[wildcards.panel].dataset,
        label=lambda wildcards: ATTENTION[wildcards.panel].label,
        methods=lambda wildcards: json.dumps(
            {name: plan.methods[name]["title"] for name in config["attention"]["figures"]}
        ),
        sequences=lambda wildcards: named_of(plan, ATTENTION[wildcards.panel]),
        out=stem,
    message:
        "What networks look at: {wildcards.panel}, {wildcards.grid}"
    shell:
        "ra-icl attention-figure {wildcards.grid:q} {input.folds:q} {params.seen:q} --flow {params.flow:q} "
        "--dataset {params.dataset:q} --label {params.label:q} --methods {params.methods:q} "
        "--sequences {params.sequences:q} --out {params.out:q} 2> {log:q}"


rule attention_measures:
    input:
        folds=lambda wildcards: [
            f"<results>/folds/{path}" for path in plan.fold_files(wildcards.protocol, wildcards.method)
        ],
        index=lambda wildcards: [f"<results>/index/{name}.csv" for name in plan.datasets(wildcards.protocol)],
        flow=lambda wildcards: f"<results>/flow/{plan.sampling(wildcards.method)}/{wildcards.protocol}.sha256",
        crops=lambda wildcards: crops_of(plan.datasets(wildcards.protocol)) if plan.source == "twins" else [],
    output:
        "<results>/attention/{protocol}/{method}.csv",
    log:
        "<logs>/attention/{protocol}/{method}.log",
    wildcard_constraints:
        method=one_of(plan.methods),
    params:
        code=code("ra_icl.attention.measuring"),
        seen=lambda wildcards: what_was_seen(wildcards.protocol),
        flow=lambda wildcards, input: Path(input.flow).parent,
    message:
        "Where the networks of {wildcards.method} under {wildcards.protocol} look"
    shell:
        "ra-icl attention-measures {input.folds:q} {params.seen:q} --flow {params.flow:q} --out {output:q} 2> {log:q}"


rule attention_table:
    input:
        lambda wildcards: attention_measures(),
    output:
        table_files("<results>/tables/attention", "Attention", "Attention in numbers", "attention_table"),
    log:
        "<logs>/tables/attention.log",
    params:
        code=code("ra_icl.attention.table"),
        rows=lambda wildcards: plan.row_slice(config["attention"]["table"]),
        out=stem,
    message:
        "Table of attention"
    shell:
        "ra-icl attention-table {input:q} --methods {params.rows:q} --out {params.out:q} 2> {log:q}"


rule attention:
    input:
        lambda wildcards: attention_files(),
