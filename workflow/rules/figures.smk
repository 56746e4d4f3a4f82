# Figures that are made on request: sweeps (Figures 6-10), training curves, and what the distance from the apex matters.


# One key of a method over several values.
rule sweep_figure:
    input:
        metrics=lambda wildcards: metrics_of(cde(), sweep_figures()[wildcards.figure]["methods"].values()),
    output:
        figure_files("<results>/figures/{figure}", "Sweeps", figure_title, "sweep"),
    log:
        "<logs>/figures/{figure}.log",
    wildcard_constraints:
        figure=one_of(sweep_figures()),
    params:
        code=code("ra_icl.evaluation.sweeps"),
        values=lambda wildcards: slice_of(list(sweep_figures()[wildcards.figure]["methods"])),
        default=lambda wildcards: slice_of(default_of(plan, sweep_figures()[wildcards.figure])),
        title=lambda wildcards: sweep_figures()[wildcards.figure]["key"],
        method=swept_title,
        out=stem,
    message:
        "Sweep: {wildcards.figure}"
    shell:
        "ra-icl sweep {input.metrics:q} --values {params.values:q} --title {params.title:q} "
        "--method {params.method:q} --default {params.default:q} --out {params.out:q} 2> {log:q}"


# Losses, gradients and regions over the epochs of all folds of a method.
rule curves_figure:
    input:
        lambda wildcards: [f"<results>/folds/{path}" for path in plan.fold_files(wildcards.protocol, wildcards.method)],
    output:
        figure_files("<results>/figures/curves/{protocol}/{method}", "Training", method_title, "curves"),
    log:
        "<logs>/figures/curves/{protocol}/{method}.log",
    wildcard_constraints:
        method=one_of(trained_methods(plan)),
    params:
        code=code("ra_icl.evaluation.curves"),
        title=lambda wildcards: plan.methods[wildcards.method]["title"],
        out=stem,
    message:
        "Training curves of {wildcards.method} under {wildcards.protocol}"
    shell:
        "ra-icl curves {input:q} --title {params.title:q} --out {params.out:q} 2> {log:q}"


rule curves:
    input:
        [
            f"<results>/figures/curves/{protocol}/{method}.png"
            for protocol, method in plan.runs()
            if draws(plan.methods[method])  # what draws nothing has no epochs
        ],
    message:
        "Training curves of everything that is trained"


APEX = apex_inputs(plan) if cde() else None

if APEX:

    rule apex:
        input:
            folds=[f"<results>/folds/{path}" for method in APEX.methods for path in plan.fold_files(cde()[0], method)],
            index=[f"<results>/index/{name}.csv" for name in plan.datasets(cde()[0])],
            sweep=metrics_of(cde(), APEX.sweep.values()),
        output:
            figure_files("<results>/figures/apex", "Sweeps", "Distance of the sampled window from the apex", "apex"),
        log:
            "<logs>/figures/apex.log",
        params:
            code=code("ra_icl.evaluation.apex_figure"),
            index=lambda wildcards, input: [f"--index={path}" for path in input.index],
            sampling=slice_of(APEX.sampling),
            titles=lambda wildcards: slice_of({name: plan.methods[name]["title"] for name in APEX.methods}),
            sweep=lambda wildcards, input: [f"--sweep={path}" for path in input.sweep],
            values=slice_of(list(APEX.sweep)),
            default=slice_of(APEX.default),
            out=stem,
        message:
            "Does it matter how far the sampled window is from the apex?"
        shell:
            "ra-icl apex {input.folds:q} {params.index:q} --sampling {params.sampling:q} --titles {params.titles:q} "
            "{params.sweep:q} --values {params.values:q} --default {params.default:q} --out {params.out:q} 2> {log:q}"


# Each figure is a target: figure4, figure6 to figure11; a sweep goes by its name too, and all of them by `sweeps`.
for name in (*confusion_figures(), *sweep_figures()):

    rule:
        name:
            name
        input:
            f"<results>/figures/{name}.png",


for name, sweep in plan.sweeps.items() if cde() else []:

    rule:
        name:
            f"sweep_{name}"
        input:
            f"<results>/figures/figure{sweep['figure']}.png",


if sweep_figures():

    rule sweeps:
        input:
            [f"<results>/figures/{name}.png" for name in sweep_figures()],
        message:
            "Scores over the values of every option that `sweeps` varies"
