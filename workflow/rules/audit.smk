# What printed scores are worth: `snakemake audit power --cores 1 --configfile config/demo.yaml`. Needs no data.


rule audit:
    input:
        lambda wildcards: files_for_snakemake([PUBLISHED]),
    output:
        table_files("<results>/tables/audit", "Leak", "Published scores: can they exist?", "audit"),
    log:
        "<logs>/tables/audit.log",
    params:
        code=code("ra_icl.evaluation.audit_table"),
        published=PUBLISHED,
        out=stem,
    message:
        "Can the published scores exist?"
    shell:
        "ra-icl audit {params.published:q} --out {params.out:q} 2> {log:q}"


POWER_RUNS = [
    str(CLONE / f"results/published/public-flow/{name}.json")
    for name in ("m1_causalnet", "m2_causalnet", "m6_causalnet")
]


# Real methods' predictions of published flow maps: who the subjects are, and how far two methods agree.
rule power:
    input:
        lambda wildcards: files_for_snakemake([PUBLISHED, *POWER_RUNS]),
    output:
        table_files("<results>/tables/power", "Leak", "Which differences could be seen at all?", "power"),
    log:
        "<logs>/tables/power.log",
    params:
        code=code("ra_icl.evaluation.power_table"),
        metrics=POWER_RUNS,
        published=PUBLISHED,
        out=stem,
    message:
        "Which differences could a test over these subjects see?"
    shell:
        "ra-icl power {params.metrics:q} --published {params.published:q} --out {params.out:q} 2> {log:q}"
