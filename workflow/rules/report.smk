# What the report shows beside tables and figures, and the target that has everything in it. `make report` puts it into one
# HTML file. How a result gets into it: `in_report`, `table_files` and `figure_files` in in_report.smk.


rule method_page:
    input:
        "<results>/metrics/{protocol}/{method}.json",
    output:
        in_report("<results>/pages/{protocol}/{method}.html", "Methods", method_title, "method"),
    log:
        "<logs>/pages/{protocol}/{method}.log",
    wildcard_constraints:
        method=one_of([*plan.methods, *plan.ensembles]),
    params:
        code=code("ra_icl.evaluation.method_page"),
        title=lambda wildcards: title_of(wildcards.method),
        overrides=lambda wildcards: slice_of(entry_of(wildcards.method)),
    message:
        "Page of {wildcards.method} under {wildcards.protocol}"
    shell:
        "ra-icl method-page {input:q} --title {params.title:q} --overrides {params.overrides:q} --out {output:q} 2> {log:q}"


rule run_page:
    input:
        [f"<results>/metrics/{protocol}/{method}.json" for protocol, method in everything_trained()],
    output:
        in_report("<results>/pages/run.html", "Run", "Data, seeds, commit, versions, times and config", "run"),
    log:
        "<logs>/pages/run.log",
    params:
        code=code("ra_icl.evaluation.run_page"),
        config=lambda wildcards: slice_of(config),
        titles=lambda wildcards: slice_of({method: title_of(method) for _, method in everything_trained()}),
        benchmarks=str(config["pathvars"]["benchmarks"]).replace("<results>", str(RESULTS)),
    message:
        "Page of the run"
    shell:
        "ra-icl run-page {input:q} --config {params.config:q} --titles {params.titles:q} "
        "--benchmarks {params.benchmarks:q} --out {output:q} 2> {log:q}"


# A start of Snakemake takes from here what it has not made yet.
rule report:
    input:
        report_files(),
    message:
        "Everything that the report shows"
