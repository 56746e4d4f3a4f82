# Folds to scores, scores to tables and figures, and the named targets: `snakemake --list-target-rules` lists them.


rule metrics:
    input:
        folds=lambda wildcards: [
            f"<results>/folds/{path}" for path in plan.fold_files(wildcards.protocol, wildcards.method)
        ],
        index=lambda wildcards: [f"<results>/index/{name}.csv" for name in plan.datasets(wildcards.protocol)],
        choices=lambda wildcards: [
            f"<results>/selection/{path}" for path in selection.choices_of(wildcards.protocol, wildcards.method)
        ],
    output:
        "<results>/metrics/{protocol}/{method}.json",
    log:
        "<logs>/metrics/{protocol}/{method}.log",
    params:
        code=code("ra_icl.evaluation.metrics", "ra_icl.evaluation.choice"),
        classes=lambda wildcards: plan.classes(wildcards.protocol),
        index=lambda wildcards, input: [f"--index={path}" for path in input.index],
        left_out=lambda wildcards: plan.left_out_counts(wildcards.protocol),
        choices=lambda wildcards, input: [f"--choice={path}" for path in input.choices],
    message:
        "Scores of {wildcards.method} under {wildcards.protocol}"
    shell:
        "ra-icl metrics {input.folds:q} --protocol {wildcards.protocol:q} --method {wildcards.method:q} "
        "--classes {params.classes:q} {params.index:q} --left-out {params.left_out:q} {params.choices:q} "
        "--out {output:q} 2> {log:q}"


PUBLISHED = str(CLONE / "config/published.csv")
# What the targets audit and power say of those rows; a table's notes quote them.
AUDITED = [str(CLONE / "config" / name) for name in ("published_audit.csv", "published_power.csv")]
SCORE_TABLES = plan.score_tables() | further_tables()
DIFFERENCE_TABLES = difference_tables(SCORE_TABLES)


rule scores:
    input:
        metrics=lambda wildcards: metrics_of(*SCORE_TABLES[wildcards.table]),
        published=lambda wildcards: files_for_snakemake([PUBLISHED, *AUDITED]),
    output:
        table_files("<results>/tables/{table}", heading("Scores"), table_title, "scores"),
    log:
        "<logs>/tables/{table}.log",
    wildcard_constraints:
        table=one_of(SCORE_TABLES),
    params:
        code=code("ra_icl.evaluation.tables"),
        number=lambda wildcards: short(wildcards.table),
        published=lambda wildcards: PUBLISHED,
        rows=lambda wildcards: plan.row_slice(SCORE_TABLES[wildcards.table][1]),
        out=stem,
    message:
        "Table of scores: {wildcards.table}"
    shell:
        "ra-icl table {params.number:q} {input.metrics:q} --published {params.published:q} "
        "--methods {params.rows:q} --out {params.out:q} 2> {log:q}"


rule compare:
    input:
        metrics=lambda wildcards: metrics_of(*DIFFERENCE_TABLES[wildcards.table]),
    output:
        table_files("<results>/tables/{table}", heading("Differences"), table_title, "differences"),
    log:
        "<logs>/tables/{table}.log",
    wildcard_constraints:
        table=one_of(DIFFERENCE_TABLES),
    params:
        code=code("ra_icl.evaluation.differences"),
        reference=lambda wildcards: reference_of(DIFFERENCE_TABLES[wildcards.table][1]),
        rows=lambda wildcards: plan.row_slice(DIFFERENCE_TABLES[wildcards.table][1]),
        out=stem,
    message:
        "Table of differences: {wildcards.table}"
    shell:
        "ra-icl differences {input.metrics:q} --reference {params.reference:q} --methods {params.rows:q} "
        "--out {params.out:q} 2> {log:q}"


rule counts:
    input:
        index=lambda wildcards: [f"<results>/index/{dataset}.csv" for dataset in count_tables()[wildcards.table]],
    output:
        table_files("<results>/tables/{table}", "Data", table_title, "counts"),
    log:
        "<logs>/tables/{table}.log",
    wildcard_constraints:
        table=one_of(count_tables()),
    params:
        code=code("ra_icl.evaluation.count_tables"),
        number=lambda wildcards: short(wildcards.table),
        source=plan.data_source,
        left_out=lambda wildcards: plan.left_out_counts(*count_protocols(wildcards.table)),
        out=stem,
    message:
        "Table of counts: {wildcards.table}"
    shell:
        "ra-icl counts {params.number:q} {input.index:q} --data-source {params.source:q} "
        "--left-out {params.left_out:q} --out {params.out:q} 2> {log:q}"


rule confusion_figure:
    input:
        metrics=lambda wildcards: metrics_of(confusion_figures()[wildcards.figure], [config["confusion"]]),
    output:
        figure_files("<results>/figures/{figure}", "Confusion matrices", figure_title, "confusion"),
    log:
        "<logs>/figures/{figure}.log",
    wildcard_constraints:
        figure=one_of(confusion_figures()),
    params:
        code=code("ra_icl.evaluation.figures"),
        number=lambda wildcards: short(wildcards.figure),
        # A function, because Snakemake replaces {x} in text.
        title=lambda wildcards: title_of(config["confusion"]),
        out=stem,
    message:
        "Confusion matrices: {wildcards.figure}"
    shell:
        "ra-icl confusion {params.number:q} {input.metrics:q} --title {params.title:q} --out {params.out:q} 2> {log:q}"


rule confusion:
    input:
        shown_figures(),


# Targets that can be typed: table1 to table5, table3_controls, ensembles, cross, table_own, differences,
# differences_controls, differences_ensembles, differences_own, ablation_m1 to ablation_m10 and so on; those of figures
# are in figures.smk.
for name in (*SCORE_TABLES, *DIFFERENCE_TABLES, *count_tables()):

    rule:
        name:
            name
        input:
            f"<results>/tables/{name}.md",
