# Tables beside those of scores: what choosing the epoch on held-out subjects gains (`leak`), what methods cost (`cost`).


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


# What each method costs beside what it scores, of all methods of the table of scores: target `cost`.
if cde():

    rule cost:
        input:
            lambda wildcards: metrics_of(cde(), costed()),
        output:
            report(
                multiext("<results>/tables/cost", ".csv", ".md", ".tex", ".notes.md"),
                caption="../report/cost.rst",
                category="Tables",
            ),
        log:
            "<logs>/tables/cost.log",
        params:
            code=code("ra_icl.planning.cost"),
            methods=lambda wildcards: slice_of(cost_inputs(plan, cde()[0], costed())),
            out=stem,
        message:
            "What each method costs"
        shell:
            "ra-icl cost {input:q} --methods {params.methods:q} --out {params.out:q} 2> {log:q}"
