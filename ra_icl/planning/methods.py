"""The methods of a config: base with overrides, and one per value of a sweep; checked as a fold checks them."""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ra_icl.errors import InputError
from ra_icl.planning.options import from_mapping
from ra_icl.planning.peers import check_peer, draws, require_depth, with_defaults
from ra_icl.planning.settings import LONGEST_NAME, Method

Methods = dict[str, dict[str, Any]]
MIR_MARKS = {
    "middle": "✓",
    "apex": "→Apex*",
    "apex_neighbourhood": "→Apex",
    "full": "→Full",
    "random": "→Random",
    "uniform": "→Uniform",
    "onset_to_apex": "→Onset to Apex",
    "apex_to_offset": "→Apex to Offset",
    "published": "published",
    "frames": "frames",
}


def resolve_methods(config: Mapping[str, Any]) -> tuple[Methods, Methods]:
    """All methods and sweeps of a config.

    Returns {method: its options}, those of the sweeps included, and {sweep: {"figure", "key", "methods"}} with the
    method of each value by the value's label.
    Raises InputError for options that do not fit and for names that are not defined.
    """
    if config["base"].get("peer"):
        raise InputError("config: base.peer: would turn every method into a peer; set it under methods, for one method")
    entries, sweeps = present(config["methods"]), present(config["sweeps"])
    methods = {name: resolve(config, name) for name in entries}
    for name, method in methods.items():
        check_method(config, method, f"methods.{name}")
        if method["peer"]:
            for key in leaf_keys(entries[name]):
                _require_effect(key, f"methods.{name}.{key}", name)
    _check_figures(sweeps)
    found = {name: _sweep(config, name, sweep, methods) for name, sweep in sweeps.items()}
    _check_uses(config, entries, present(config["ensembles"]))
    _check_members(methods, present(config["ensembles"]))
    require_depth(config, methods, found)
    return methods, found


def _check_uses(config: Mapping[str, Any], methods: Mapping[str, Any], ensembles: Mapping[str, Any]) -> None:
    """Raise InputError for a name that is not defined where a method is named, or that is defined twice."""
    for name in ensembles:
        if name in methods:
            raise InputError(f"config: ensembles.{name}: is a method, too; choose another name")
    of_methods = {f"ensembles.{name}.members": ensemble["members"] for name, ensemble in ensembles.items()}
    of_methods |= {f"attention.{key}": config["attention"][key] for key in ("figures", "table")}
    of_methods |= {key: config[key] for key in ("keep_networks", "keep_epochs")} | {"reference": [config["reference"]]}
    if config["data"]["source"] != "public_flow":  # which has no frames, so that no clip could be prepared alike
        of_methods |= {"final_model.method": [config["final_model"]["method"]]}
    if config["final_model"].get("protocol") is not None:
        require_known(config["final_model"]["protocol"], config["protocols"], "final_model.protocol")
    of_both = {f"tables.{table}": names for table, names in config["tables"].items()}
    of_both |= {"confusion": [config["confusion"]]}
    for uses, known in ((of_methods, methods), (of_both, {**methods, **ensembles})):
        for key, names in uses.items():
            for name in names:
                require_known(name, known, key)
    _check_peers(config, methods, of_methods)


def _check_peers(config: Mapping[str, Any], methods: Mapping[str, Any], uses: Mapping[str, Sequence[str]]) -> None:
    """Raise InputError where a peer is named for what it has not: attention, views, candidates, epochs."""
    peers = {name for name, method in methods.items() if method.get("peer")}
    for name in sorted(peers):
        if not name.startswith("peer_"):  # which no table and no rule does
            raise InputError(f"config: methods.{name}: its table has the peer's name; let it begin with peer_")
    selecting = present(config["selection"]["methods"])
    uses = dict(uses) | {"selection.methods": [name for pair in selecting.items() for name in (pair[0], *pair[1])]}
    for key, names in uses.items():
        for name in sorted(peers.intersection(names)):
            if key.startswith(("attention", "final_model")):
                raise InputError(f"config: {key}: {name} is a peer; name a method of Ra-ICL's")
            if key.startswith(("ensembles", "selection")):
                raise InputError(f"config: {key}: {name} is a peer, whose settings are fixed; take it out")
            if key.startswith("keep_") and not draws(methods[name]):
                raise InputError(f"config: {key}: {name} has no network and no epochs; take it out")


def _check_members(methods: Methods, ensembles: Mapping[str, Any]) -> None:
    """Raise InputError for an ensemble whose members predict from epochs that are chosen in different ways."""
    for name, ensemble in ensembles.items():
        ways = {methods[member]["training"]["select"]: member for member in ensemble["members"]}
        if len(ways) > 1:
            (one, first), (other, second), *_ = ways.items()
            raise InputError(
                f"config: ensembles.{name}.members: training.select of {first} is {one}, of {second} {other}; "
                "set it alike"
            )


def resolve(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The options of a method: config.base with the method's overrides."""
    return merge({"title": name} | config["base"], config["methods"][name])


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes` on top: a mapping changes a mapping key by key, anything else replaces it."""
    merged = dict(copy.deepcopy(base))
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def present(entries: Mapping[str, Any] | None) -> dict[str, Any]:
    """The entries that no config file has set to null."""
    return {name: entry for name, entry in (entries or {}).items() if entry is not None}


def check_method(config: Mapping[str, Any], method: Mapping[str, Any], where: str) -> None:
    """Raise InputError, naming the key `where`, for a method's options that do not fit, also to the data source."""
    checked = from_mapping(Method, method, where)
    sampling = checked.sampling
    check_peer(method, where)
    published, source = sampling.mode == "published", config["data"]["source"]
    if published != (source == "public_flow"):
        raise InputError(
            f"config: {where}.sampling.mode: {sampling.mode} does not go with data.source {source}; "
            "mode published belongs to source public_flow alone"
        )
    if published:
        require_known(sampling.source, config["public_flow"], f"{where}.sampling.source")
    if published and sampling.depth:
        raise InputError(f"config: {where}.sampling.depth: published maps have no depth; set false")
    in_pixels = not published and checked.input.normalise == "none"
    if in_pixels and checked.augmentation.flip_negates_u and not method["peer"]:
        raise InputError(
            f"config: {where}.augmentation.flip_negates_u: turns u into 1 - u, but with input.normalise none u is in "
            "pixels; set it to false, or normalise to instance or set"
        )


def row_marks(method: Mapping[str, Any]) -> dict[str, Any]:
    """Title and Table 3's marks of a method, derived from its options; a peer has no loss of Ra-ICL's."""
    ours = not method["peer"]
    return {
        "title": method["title"],
        "mir": MIR_MARKS[method["sampling"]["mode"]],
        "irc": ours and method["loss"]["attention"] > 0,
        "mrd": ours and method["loss"]["regions"] > 0,
    }


def _check_figures(sweeps: Mapping[str, Any]) -> None:
    """Two sweeps, or a sweep and the confusion matrices of Figures 4 and 11, cannot be drawn into one file."""
    taken = {4, 11}
    for name, sweep in sweeps.items():
        if sweep["figure"] in taken:
            raise InputError(f"config: sweeps.{name}.figure: {sweep['figure']} is taken; choose another number")
        taken.add(sweep["figure"])


def _sweep(config: Mapping[str, Any], name: str, sweep: Mapping[str, Any], methods: Methods) -> dict[str, Any]:
    """Add a method per value to `methods`; a value that the origin already has is the origin itself."""
    require_known(sweep["method"], present(config["methods"]), f"sweeps.{name}.method")
    origin, found = with_defaults(methods[sweep["method"]]), {}
    if origin["peer"]:
        _require_effect(sweep["key"], f"sweeps.{name}.key", sweep["method"])
    for number, value in enumerate(sweep["values"]):
        where = f"sweeps.{name}.values.{number}"
        changed = _replace(origin, sweep["key"], value, f"sweeps.{name}.key")
        check_method(config, changed, where)
        label = _label(value)
        if not label or len(label) > LONGEST_NAME:
            raise InputError(
                f"config: {where}: {str(value)[:50]!r} cannot name a method; use letters or digits, "
                f"{LONGEST_NAME} at most"
            )
        method = sweep["method"] if changed == origin else f"{sweep['method']}_{name}_{label}"
        if label in found or (changed != origin and method in methods):
            raise InputError(f"config: {where}: method {method} is there already; give each value once")
        found[label] = method
        methods.setdefault(method, changed | {"title": f"{origin['title']}, {name} {label}"})
    return {"figure": sweep["figure"], "key": sweep["key"], "methods": found}


def leaf_keys(entry: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The keys of an entry's values, as a.b.c."""
    for key, value in entry.items():
        if isinstance(value, Mapping):
            yield from leaf_keys(value, f"{path}{key}.")
        else:
            yield path + key


def _require_effect(key: str, where: str, peer: str) -> None:
    """Raise InputError, naming the key `where`, for a key of a method that changes nothing about a peer."""
    if key not in ("title", "training.device") and not key.startswith(("sampling.", "peer.")):
        raise InputError(
            f"config: {where}: has no effect on {peer}, a peer, whose settings are below peer; take {key} out"
        )


def _label(value: Any) -> str:
    """A value as part of a file's name: a number as it is, [1, 2] as 1-2."""
    return str(value) if isinstance(value, int | float) else re.sub(r"[^A-Za-z0-9_.]+", "-", str(value)).strip("-")


def _replace(options: Mapping[str, Any], key: str, value: Any, where: str) -> dict[str, Any]:
    changed = copy.deepcopy(dict(options))
    *path, last = key.split(".")
    place = changed
    for part in path:
        place = place.get(part) if isinstance(place, Mapping) else None
    if not isinstance(place, Mapping) or last not in place:
        raise InputError(f"config: {where}: {key!r} is no key of a method; see base in config/config.yaml")
    place.update(merge({last: place[last]}, {last: value}))
    return changed


def require_known(name: str, known: Mapping[str, Any], where: str) -> None:
    """Raise InputError, naming the key `where`, for a name that is not defined."""
    if name not in known:
        raise InputError(f"config: {where}: {name!r} is not defined; known: {', '.join(known)}")
