# The tables that this config has something for: {table: its protocols, its methods}.


def single_protocols(method):
    """The protocols of a method's own table: CDE; of a peer without it, or with depth, CAS(ME)³; else own data."""
    if takes_depth(plan.methods[method]):
        return casme3()
    return cde() or casme3() * is_peer(method) or own()


def leak_tables():
    """{table: its methods}: those whose predictions after each epoch are kept, peers in a table of their own."""
    kept = [name for name in config["keep_epochs"] if cde() and not takes_depth(plan.methods[name])]
    kept = [name for name in kept if selected_epoch(name) == "last"]  # the others have no gain to show
    tables = {"leak": [m for m in kept if not is_peer(m)], "leak_peers": [m for m in kept if is_peer(m)]}
    return {table: methods for table, methods in tables.items() if methods}


def cost_tables():
    """{table: its methods}: those of the tables of scores under CDE, and those of the table of peers.

    Without ensembles: what they cost is their members' cost.
    """
    if not cde():
        return {}
    shown = [name for protocols, names in plan.score_tables().values() if protocols == cde() for name in names]
    tables = {"cost": dict.fromkeys(shown), "cost_peers": config["tables"]["peers"]}
    found = {table: [name for name in names if name in plan.methods] for table, names in tables.items()}
    return {table: methods for table, methods in found.items() if methods}


def further_tables():
    """{table: (its protocols, its methods)} of the tables of scores that are made on request alone.

    `table3_controls`, `ensembles`, `peers`, and one method each: `ablation_m1` to `ablation_m10`, `peer_ststnet` and
    whatever the config adds. `peers_casme3` is about CAS(ME)³.
    """
    single = {m if is_peer(m) else f"ablation_{m}": [m] for m in plan.config["methods"]}
    tables = {table: (single_protocols(m), [m]) for table, (m,) in single.items()}
    tables |= {name: (cde(), plan.config["tables"][name]) for name in ("table3_controls", "ensembles", "peers")}
    tables["peers_casme3"] = (casme3(), plan.config["tables"]["peers_casme3"])
    return {table: shown for table, shown in tables.items() if all(shown)}


def difference_tables(tables):
    """{table: (its protocols, its methods)} of the tables that compare a reference with the other methods of a table.

    tables: of scores. `differences` goes with `table3`, `differences_controls` with `table3_controls`,
    `differences_ensembles` with `ensembles`, `differences_peers` with `peers`, `differences_own` with `table_own`.
    """
    names = {"table3": "differences", "table3_controls": "differences_controls", "table_own": "differences_own"}
    names |= {name: f"differences_{name}" for name in ("ensembles", "peers")}
    found = {
        names[name]: (protocols, comparable(shown)) for name, (protocols, shown) in tables.items() if name in names
    }
    return {name: shown for name, shown in found.items() if reference_of(shown[1])}


def comparable(methods):
    """Of the methods of a table, those with the seeds of its reference, or that draw nothing, and with its epoch."""
    reference = reference_of(methods)
    drawn = {name: name in plan.ensembles or draws(plan.methods[name]) for name in methods}
    alike = [name for name in methods if reference and (not drawn[name] or plan.seeds(name) == plan.seeds(reference))]
    return [name for name in alike if selected_epoch(name) == selected_epoch(reference)]


def selected_epoch(name):
    """Which epoch a method predicts from, as `training.select` says; a peer always from its last."""
    method = plan.methods[plan.trained(name)[0]]  # the members of an ensemble are alike
    return "last" if method["peer"] else method["training"]["select"]


def method_of(table):
    """The method whose own table this is: a peer's has the method's name; None for all other tables."""
    method = table.removeprefix("ablation_")
    return method if method in plan.methods and (method != table or is_peer(method)) else None


def reference_of(methods):
    """What the others are compared with: the config's reference, or the first ensemble, with which ensembles compare."""
    if len(methods) < 2:
        return None
    return (
        config["reference"]
        if config["reference"] in methods
        else next((m for m in methods if m in plan.ensembles), None)
    )


def count_tables():
    """{table: its datasets} of the tables of counts; Table 5 takes all CAS(ME)³ protocols from the one index."""
    datasets = {"table4": plan.datasets(cde()[0]) if cde() else [], "table5": ["casme3"] if casme3() else []}
    return {name: found for name, found in datasets.items() if found}


def count_protocols(table):
    """The protocols of this run that a table of counts is about."""
    return cde() if table == "table4" else casme3()
