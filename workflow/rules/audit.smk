# What printed scores are worth: `snakemake --cores 1 audit`. Needs no data.


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
