# What choosing the epoch on the held-out subjects gains: target `leak`.


if leaking():

    rule leak:
        input:
            metrics=lambda wildcards: metrics_of(cde(), leaking()),
        output:
            table=report(
                multiext("<results>/tables/leak", ".csv", ".md", ".tex", ".notes.md"),
                caption="../report/leak.rst",
                category="Tables",
            ),
            figure=report(
                multiext("<results>/figures/leak", ".pdf", ".png"),
                caption="../report/leak.rst",
                category="Figures",
            ),
        log:
            "<logs>/tables/leak.log",
        params:
            code=code("ra_icl.evaluation.leak"),
            folds=f"{RESULTS}/folds",
            rows=lambda wildcards: plan.row_slice(leaking()),
            table=lambda wildcards, output: Path(output.table[0]).with_suffix(""),
            figure=lambda wildcards, output: Path(output.figure[0]).with_suffix(""),
        message:
            "What choosing the epoch on the held-out subjects gains"
        shell:
            "ra-icl leak {input.metrics:q} --folds {params.folds:q} --methods {params.rows:q} "
            "--out {params.table:q} --figure {params.figure:q} 2> {log:q}"
