# What happened to every sequence, for a person to look at: `snakemake --cores all qc`.

QC_SAMPLING = qc_sampling()

if QC_SAMPLING:

    rule qc_subject:
        input:
            index="<results>/index/{dataset}.csv",
            crops="<results>/crops/{dataset}/{subject}.safetensors",
            flow=f"<results>/flow/{QC_SAMPLING}/{{dataset}}/{{subject}}.safetensors",
        output:
            json="<results>/qc/{dataset}/{subject}.json",
            png=in_report(
                "<results>/qc/{dataset}/{subject}.png",
                "Quality control",
                qc_subject_title,
                "qc_subject",
                dataset_title,
            ),
        log:
            "<logs>/qc/{dataset}/{subject}.log",
        params:
            code=code("ra_icl.evaluation.qc", "ra_icl.evaluation.qc_figures"),
            source=plan.data_source,
            out=lambda wildcards, output: Path(output.json).with_suffix(""),
        message:
            "Motion energy of {wildcards.dataset} {wildcards.subject}"
        shell:
            "ra-icl qc-subject --index {input.index:q} --subject {wildcards.subject:q} --crops {input.crops:q} "
            "--flow {input.flow:q} --data-source {params.source:q} --out {params.out:q} 2> {log:q}"

    rule qc_dataset:
        input:
            measures=lambda wildcards: [
                f"<results>/qc/{wildcards.dataset}/{subject}.json" for subject in plan.subjects(wildcards.dataset)
            ],
            crops=lambda wildcards: [
                f"<results>/crops/{wildcards.dataset}/{subject}.safetensors"
                for subject in plan.subjects(wildcards.dataset)
            ],
        output:
            csv="<results>/qc/{dataset}.csv",
            html=in_report(
                "<results>/qc/{dataset}.html",
                "Quality control",
                "All sequences, oddest first",
                "qc_list",
                dataset_title,
            ),
            png=in_report("<results>/qc/{dataset}.png", "Quality control", "Contact sheet", "qc_sheet", dataset_title),
        log:
            "<logs>/qc/{dataset}.log",
        params:
            code=code("ra_icl.evaluation.qc", "ra_icl.evaluation.qc_figures"),
            source=plan.data_source,
            crops=lambda wildcards, input: Path(input.crops[0]).parent,
            out=lambda wildcards, output: Path(output.csv).with_suffix(""),
        message:
            "Contact sheet of {wildcards.dataset}"
        shell:
            "ra-icl qc-dataset {input.measures:q} --crops {params.crops:q} --data-source {params.source:q} "
            "--out {params.out:q} 2> {log:q}"

    rule qc:
        input:
            qc_files(),
