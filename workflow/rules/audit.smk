# What printed scores are worth: `snakemake audit power --cores 1`. Needs no data.


rule audit:
    input:
        "config/published.csv",
    output:
        multiext("<results>/tables/audit", ".csv", ".md", ".tex", ".notes.md"),
    log:
        "<logs>/tables/audit.log",
    params:
        code=code("ra_icl.evaluation.audit_table"),
        out=stem,
    message:
        "Can the published scores exist?"
    shell:
        "ra-icl audit {input:q} --out {params.out:q} 2> {log:q}"


# Real methods' predictions by subject: who the subjects are, and how far two methods agree.
rule power:
    input:
        metrics=sorted(map(str, Path("results/published/power").glob("*.json"))),
        published="config/published.csv",
    output:
        multiext("<results>/tables/power", ".csv", ".md", ".tex", ".notes.md"),
    log:
        "<logs>/tables/power.log",
    params:
        code=code("ra_icl.evaluation.power_table"),
        out=stem,
    message:
        "Which differences could a test over these subjects see?"
    shell:
        "ra-icl power {input.metrics:q} --published {input.published:q} --out {params.out:q} 2> {log:q}"
