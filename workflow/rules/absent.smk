# Targets that this config has nothing for end in one line that says what they need; Snakemake alone would say that no
# rule produces them. Included last: what another file has made a rule of is left as it is.

METHODS = [name for name, method in config["methods"].items() if method is not None]
REMOVED = config["methods"].keys() - set(METHODS)

ALIKE = "the `reference` or an ensemble among them, with the same seeds and `training.select`"
NEEDS = {
    "protocol cde, and methods in `tables.table1`": ["table1"],
    "protocol cde or groups5": ["table4", "figure4"],
    "protocol cde, groups5 or own": [f"ablation_{name}" for name in METHODS if not is_peer(name)],
    "protocol cde or groups5, and methods that `tables` names for it": [
        *("table3", "table3_controls", "ensembles", "peers", "cost", "cost_peers"),
    ],
    f"protocol cde or groups5, and two methods in its table of scores, {ALIKE}": [
        *("differences", "differences_controls", "differences_ensembles", "differences_peers"),
    ],
    "protocol cde or groups5, and methods of its kind in `keep_epochs` with `training.select: last`": [
        "leak",
        "leak_peers",
    ],
    "protocol cde or groups5, and a `reference` that is sampled without the apex": ["apex"],
    "protocol cde or groups5, and a sweep under `sweeps`": [
        *("sweeps", *(f"figure{number}" for number in range(6, 11))),
        *(f"sweep_{name}" for name in config["sweeps"] or ()),
    ],
    "a protocol of CAS(ME)³ such as casme3_4": [
        *("table5", "figure11"),
        *(name for name in METHODS if takes_depth(plan.methods[name])),
    ],
    "a protocol of CAS(ME)³, and methods that `tables` names for it": ["table2", "peers_casme3"],
    "protocol cde, groups5 or own, or one of CAS(ME)³": [name for name in METHODS if is_peer(name)],
    "protocol cross, and methods in `tables.cross`": ["cross"],
    "protocol own, and methods in `tables.table_own`": ["table_own"],
    f"protocol own, and two methods in `tables.table_own`, {ALIKE}": ["differences_own"],
    "protocol own": ["figure_own"],
    "protocol cde, groups5 or own, and methods in `selection.methods`": ["select"],
    "a protocol other than cross, and `training.select: last` for the method of `final_model`": ["final_model"],
    "a method that is fed flow": ["qc"],
    "a method that this config sets to null": [
        name if name.startswith("peer_") else f"ablation_{name}" for name in sorted(REMOVED)
    ],
}
if plan.source == "public_flow":
    NEEDS = {"video frames, without which published flow maps come": ["qc", "apex", "final_model"]} | NEEDS


for need, targets in NEEDS.items():
    for target in targets:
        if not workflow.is_rule(target):

            rule:
                name:
                    target
                input:
                    refuse(target, need),
