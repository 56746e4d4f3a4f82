# Tables beside those of scores: what choosing the epoch on held-out subjects gains (`leak`), what methods cost (`cost`).


LEAK_TABLES, COST_TABLES = leak_tables(), cost_tables()


rule epochs:
    input:
        metrics=lambda wildcards: metrics_of(cde(), LEAK_TABLES[wildcards.table]),
    output:
        table=table_files("<results>/tables/{table}", heading("Leak"), table_title, "leak"),
        figure=figure_files("<results>/figures/{table}", heading("Leak"), "Chosen epochs", "leak"),
    log:
        "<logs>/tables/{table}.log",
    wildcard_constraints:
        table=one_of(LEAK_TABLES),
    params:
        code=code("ra_icl.evaluation.leak"),
        folds=f"{RESULTS}/folds",
        rows=lambda wildcards: plan.row_slice(LEAK_TABLES[wildcards.table]),
        table=lambda wildcards, output: Path(output.table[0]).with_suffix(""),
        figure=lambda wildcards, output: Path(output.figure[0]).with_suffix(""),
    message:
        "What choosing the epoch on the held-out subjects gains: {wildcards.table}"
    shell:
        "ra-icl leak {input.metrics:q} --folds {params.folds:q} --methods {params.rows:q} "
        "--out {params.table:q} --figure {params.figure:q} 2> {log:q}"


# What each method costs beside what it scores, of all methods of the tables of scores.
rule costs:
    input:
        lambda wildcards: metrics_of(cde(), COST_TABLES[wildcards.table]),
    output:
        table_files("<results>/tables/{table}", heading("Cost"), table_title, "cost"),
    log:
        "<logs>/tables/{table}.log",
    wildcard_constraints:
        table=one_of(COST_TABLES),
    resources:
        gpu_share=GPU_SHARE,  # where a clip's prediction is timed
    params:
        code=code("ra_icl.planning.cost"),
        methods=lambda wildcards: slice_of(cost_inputs(plan, cde()[0], COST_TABLES[wildcards.table])),
        out=stem,
    message:
        "What each method costs: {wildcards.table}"
    shell:
        "ra-icl cost {input:q} --methods {params.methods:q} --out {params.out:q} 2> {log:q}"


# The targets leak, leak_peers, cost and cost_peers.
for name in (*LEAK_TABLES, *COST_TABLES):

    rule:
        name:
            name
        input:
            f"<results>/tables/{name}.md",
