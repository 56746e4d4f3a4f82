# Nested selection: inner folds, which leave a group of subjects out altogether, to the options of the group's folds.


rule choose:
    input:
        lambda wildcards: [
            f"<results>/folds/{path}"
            for path in selection.inner_files(wildcards.protocol, wildcards.method, wildcards.group)
        ],
    output:
        "<results>/selection/{protocol}/{method}/{group}.json",
    log:
        "<logs>/selection/{protocol}/{method}/{group}.log",
    params:
        code=code("ra_icl.evaluation.choice"),
        classes=lambda wildcards: plan.classes(wildcards.protocol),
        candidates=lambda wildcards: selection.candidates,
    message:
        "Choosing the options of {wildcards.method} for {wildcards.group} of {wildcards.protocol}"
    shell:
        "ra-icl choose {input:q} --candidates {params.candidates:q} --protocol {wildcards.protocol:q} "
        "--method {wildcards.method:q} --group {wildcards.group:q} --classes {params.classes:q} "
        "--out {output:q} 2> {log:q}"


if selection.choices():

    rule select:
        input:
            [f"<results>/selection/{path}" for path in selection.choices()],
        message:
            "All choices of nested selection"
