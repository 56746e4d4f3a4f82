# Parts of the benchmark as targets of their own: `snakemake --list-target-rules` lists them.


rule confusion:
    input:
        [f"<results>/figures/{name}.png" for name in confusion_figures()],


# One method again, with a table of its own: ablation_m1 .. ablation_m10 and whatever the config adds.
for method in plan.config["methods"] if cde() else []:

    rule:
        name:
            f"ablation_{method}"
        input:
            metrics=metrics_of(cde(), [method]),
            published="config/published.csv",
        output:
            with_suffixes(f"<results>/tables/ablation_{method}", ["csv", "md", "tex"]),
        log:
            f"<logs>/tables/ablation_{method}.log",
        conda:
            "../../environment.yml"
        params:
            code=code("ra_icl.evaluation.tables"),
            rows=plan.row_slice([method]),
            out=stem,
        message:
            f"Ablation {method}"
        shell:
            "ra-icl table 3 {input.metrics:q} --published {input.published:q} "
            "--methods {params.rows:q} --out {params.out:q} 2> {log:q}"


# Figures 6-10: one key of a method over several values.
for name, sweep in plan.sweeps.items() if cde() else []:

    rule:
        name:
            f"sweep_{name}"
        input:
            metrics=metrics_of(cde(), sweep["methods"].values()),
        output:
            with_suffixes(f"<results>/figures/figure{sweep['figure']}", ["pdf", "png"]),
        log:
            f"<logs>/figures/sweep_{name}.log",
        conda:
            "../../environment.yml"
        params:
            code=code("ra_icl.evaluation.figures"),
            values=slice_of(list(sweep["methods"])),
            title=sweep["key"],
            out=stem,
        message:
            f"Sweep of {sweep['key']}"
        shell:
            "ra-icl sweep {input.metrics:q} --values {params.values:q} --title {params.title:q} "
            "--out {params.out:q} 2> {log:q}"
