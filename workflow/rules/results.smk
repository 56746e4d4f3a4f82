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
        code=code("metrics.py"),
    message:
        "Scores of {wildcards.method} under {wildcards.protocol}"
    shell:
        "ra-icl metrics {input.folds:q} --protocol {wildcards.protocol} --method {wildcards.method} "
        "--out {output:q} 2> {log:q}"


# Table 1 and Table 3 show methods under CDE, Table 2 under each CAS(ME)³ protocol.
for number, protocols in {1: cde(), 2: casme3(), 3: cde()}.items():
    if not protocols or not table_methods(number):
        continue

    rule:
        name:
            f"table{number}"
        input:
            metrics=metrics_of(protocols, table_methods(number)),
            published="config/published.csv",
        output:
            report(
                with_suffixes(f"<results>/tables/table{number}", ["csv", "md", "tex"]),
                caption=f"../report/table{number}.rst",
                category="Tables",
            ),
        log:
            f"<logs>/tables/table{number}.log",
        conda:
            "../../environment.yml"
        params:
            code=code("tables.py"),
            number=number,
            rows=plan.row_slice(table_methods(number)),
            out=stem,
        message:
            f"Table {number}"
        shell:
            "ra-icl table {params.number} {input.metrics:q} --published {input.published:q} "
            "--methods {params.rows:q} --out {params.out:q} 2> {log:q}"


for number, protocols in {4: cde(), 11: casme3()}.items():
    if not protocols:
        continue

    rule:
        name:
            f"figure{number}"
        input:
            metrics=metrics_of(protocols, [config["confusion"]]),
        output:
            report(
                with_suffixes(f"<results>/figures/figure{number}", ["pdf", "png"]),
                caption=f"../report/figure{number}.rst",
                category="Confusion matrices",
            ),
        log:
            f"<logs>/figures/figure{number}.log",
        conda:
            "../../environment.yml"
        params:
            code=code("figures.py"),
            number=number,
            out=stem,
        message:
            f"Figure {number}: confusion matrices"
        shell:
            "ra-icl confusion {params.number} {input.metrics:q} --out {params.out:q} 2> {log:q}"
