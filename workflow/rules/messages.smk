# What a run says to whoever started it: that a target cannot be made, and, at its end, what there is to look at.


def refuse(target, need):
    """The input of a target that cannot be made: ends the run when it is asked for, and only then."""
    return lambda wildcards: sys.exit(
        f"ra-icl: error: target {target}: nothing in this config makes it; it needs {need}"
    )


def announce_results():
    """Say what there is to look at, whichever run made it: this one may have made a part of it, or nothing."""
    tables = [path.with_suffix(".md") for path in sorted(RESULTS.glob("tables/[!.]*.csv"))]
    seen = {"Figures": "figures/**/[!.]*.png", "Quality control": "qc/[!.]*.html"}
    seen |= {"Choices": "selection/*/*/[!.]*.json", "Models": "models/*/[!.]*.safetensors"}
    seen = {title: sorted(RESULTS.glob(pattern)) for title, pattern in seen.items()}
    for title, found in {"Tables": tables, **seen}.items():
        if found:
            print(f"{title} so far: " + "  ".join(map(str, found)))
