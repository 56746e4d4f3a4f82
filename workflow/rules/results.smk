# Folds to scores, tables and figures.


rule metrics:
    input:
        folds=lambda wildcards: [
            f"<results>/folds/{path}" for path in plan.fold_files(wildcards.protocol, wildcards.method)
        ],
    output:
        "<results>/metrics/{protocol}/{method}.json",
    log:
        "<logs>/metrics/{protocol}/{method}.log",
    conda:
        "../../environment.yml"
    params:
        code=code("ra_icl.evaluation.metrics"),
        classes=lambda wildcards: plan.classes(wildcards.protocol),
    message:
        "Scores of {wildcards.method} under {wildcards.protocol}"
    shell:
        "ra-icl metrics {input.folds:q} --protocol {wildcards.protocol} --method {wildcards.method} "
        "--classes {params.classes:q} --out {output:q} 2> {log:q}"


# Table 1 and Table 3 show methods under CDE, Table 2 under each CAS(ME)³ protocol, table_own those on a user's own data.
for table, protocols in score_tables().items():

    rule:
        name:
            table
        input:
            metrics=metrics_of(protocols, config["tables"][table]),
            published="config/published.csv",
        output:
            report(
                with_suffixes(f"<results>/tables/{table}", ["csv", "md", "tex"]),
                caption=f"../report/{table}.rst",
                category="Tables",
            ),
        log:
            f"<logs>/tables/{table}.log",
        conda:
            "../../environment.yml"
        params:
            code=code("ra_icl.evaluation.tables"),
            number=short(table),
            rows=plan.row_slice(config["tables"][table]),
            out=stem,
        message:
            f"Table {short(table)}"
        shell:
            "ra-icl table {params.number} {input.metrics:q} --published {input.published:q} "
            "--methods {params.rows:q} --out {params.out:q} 2> {log:q}"


# Tables 4 and 5: sequences per class, counted from the annotation.
for table, datasets in count_tables().items():

    rule:
        name:
            table
        input:
            index=[f"<results>/index/{dataset}.csv" for dataset in datasets],
        output:
            report(
                with_suffixes(f"<results>/tables/{table}", ["csv", "md", "tex"]),
                caption=f"../report/{table}.rst",
                category="Tables",
            ),
        log:
            f"<logs>/tables/{table}.log",
        conda:
            "../../environment.yml"
        params:
            code=code("ra_icl.evaluation.count_tables"),
            number=short(table),
            source=plan.source,
            out=stem,
        message:
            f"Table {short(table)}"
        shell:
            "ra-icl counts {params.number} {input.index:q} --data-source {params.source} --out {params.out:q} 2> {log:q}"


for figure, protocols in confusion_figures().items():

    rule:
        name:
            figure
        input:
            metrics=metrics_of(protocols, [config["confusion"]]),
        output:
            report(
                with_suffixes(f"<results>/figures/{figure}", ["pdf", "png"]),
                caption=f"../report/{figure}.rst",
                category="Confusion matrices",
            ),
        log:
            f"<logs>/figures/{figure}.log",
        conda:
            "../../environment.yml"
        params:
            code=code("ra_icl.evaluation.figures"),
            number=short(figure),
            out=stem,
        message:
            f"Figure {short(figure)}: confusion matrices"
        shell:
            "ra-icl confusion {params.number} {input.metrics:q} --out {params.out:q} 2> {log:q}"
