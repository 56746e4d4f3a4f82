"""The peers that a config may name, checked without importing them: a peer's file imports PyTorch, a plan must not."""

import ast
import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ra_icl import options, peers
from ra_icl.datasets.protocols import CASME3
from ra_icl.errors import InputError
from ra_icl.peers import settings
from ra_icl.planning.options import from_mapping

FED = ("flow", "frames")
CASME3_TABLES = ("table2", "peers_casme3")  # what they show runs on CAS(ME)³ alone


@dataclass(frozen=True)
class Declared:
    """What a peer's file declares: its settings, what it is fed, and whether it trains a network."""

    settings: type
    fed: str
    trains_network: bool


@cache
def declared_peers() -> dict[str, Declared]:
    """{name: what its file declares} of every peer. Raises InputError, naming the file, for one that is not whole."""
    found = {path.stem: _declared(path) for folder in peers.__path__ for path in sorted(Path(folder).glob("*.py"))}
    return {name: declared for name, declared in found.items() if declared}


def check_peer(method: Mapping[str, Any], where: str) -> None:
    """Raise InputError, naming the key below `where`, for a peer or a setting of it that is unknown or does not fit.

    Also for a sampling that only peers take, and for one that does not give what the peer is fed.
    """
    sampling, chosen = method["sampling"], dict(method["peer"])
    frames, depth = sampling["mode"] == "frames", sampling.get("depth", False)
    if not chosen:
        if frames or depth:
            key = "mode: frames" if frames else "depth: true"
            raise InputError(
                f"config: {where}.sampling.{key}: is for peers alone; set {where}.peer, or another sampling"
            )
        return
    declared = require_peer(chosen, f"{where}.peer")
    fed = declared.fed
    if frames != (fed == "frames"):
        mode = "frames" if fed == "frames" else "apex, or another of flow"
        raise InputError(f"config: {where}.sampling.mode: {chosen['name']} is fed {fed}; set {mode}")
    takes = chosen.get("depth", getattr(declared.settings, "depth", False))
    if depth != takes:
        wrong, right = ("true", "false") if depth else ("false", "true")
        raise InputError(
            f"config: {where}.sampling.depth: is {wrong}, but {chosen['name']}'s is {right}; set both alike"
        )


def require_depth(config: Mapping[str, Any], methods: Mapping[str, Any], sweeps: Mapping[str, Any]) -> None:
    """Raise InputError where a method with depth would run on other data than CAS(ME)³, which alone has it.

    methods, sweeps: of `resolve_methods`.
    """
    uses = {f"tables.{table}": names for table, names in config["tables"].items() if table not in CASME3_TABLES}
    uses |= {f"sweeps.{name}.method": sweep["methods"].values() for name, sweep in sweeps.items()}
    if not set(config["protocols"]) <= set(CASME3):
        uses["confusion"] = [config["confusion"]]
    for key, names in uses.items():
        for name in names:
            if takes_depth(methods.get(name)):
                tables = " or ".join(f"tables.{table}" for table in CASME3_TABLES)
                raise InputError(
                    f"config: {key}: {name} takes depth, which CAS(ME)³ alone has; take it out, or put it into {tables}"
                )


def takes_depth(method: Mapping[str, Any] | None) -> bool:
    """Whether a resolved method is fed depth; None, an ensemble, is not."""
    return bool(method and method["sampling"].get("depth"))


def require_peer(chosen: Mapping[str, Any], where: str) -> Declared:
    """What the peer of a method's options `peer` declares.

    Raises InputError, naming the key below `where`, for a peer or one of its settings that is unknown or does not fit.
    """
    known, name = declared_peers(), chosen.get("name")
    if name not in known:
        raise InputError(f"config: {where}.name: {name!r} is not defined; known: {', '.join(known)}")
    from_mapping(known[name].settings, {key: chosen[key] for key in chosen if key != "name"}, where)
    return known[name]


def with_defaults(method: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved method; if it is a peer's, with every setting, also those that the config leaves at their defaults."""
    chosen = method["peer"]
    if not chosen:
        return dict(method)
    settings = dataclasses.asdict(declared_peers()[chosen["name"]].settings())
    listed = {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}  # as in YAML
    return dict(method) | {"peer": listed | dict(chosen)}


def draws(method: Mapping[str, Any]) -> bool:
    """Whether a method's training depends on its seed: a classifier of descriptors does not."""
    return not method["peer"] or declared_peers()[method["peer"]["name"]].trains_network


def training_modules(chosen: Mapping[str, Any]) -> list[str]:
    """The modules that a fold of a method runs, besides what they import; chosen: the method's options `peer`."""
    return ["ra_icl.training.fold", *([f"ra_icl.peers.{chosen['name']}"] if chosen else [])]


def _declared(path: Path) -> Declared | None:
    """What the file of a peer declares; None if it is none, having no class Settings.

    Runs nothing of the file but that class, for which the modules that it may use are given. Raises InputError if FED
    is not one of `FED`, if the class cannot be made, or if one of its settings does not say where it comes from.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bodies = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    constants = {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    if "Settings" not in bodies:
        return None
    if constants.get("FED") not in FED:
        raise InputError(f'{path}: FED is {constants.get("FED")!r}; write FED = "flow" or FED = "frames"')
    names = {
        **vars(options),
        **vars(dataclasses),
        **vars(typing),
        **vars(settings),
        "__name__": f"ra_icl.peers.{path.stem}",
    }
    try:
        exec(compile(ast.Module([bodies["Settings"]], []), str(path), "exec"), names)
        settings.origins(names["Settings"]())
    except (NameError, TypeError) as error:
        raise InputError(f"{path}: class Settings: {error}; see ra_icl/peers/registry.py") from None
    return Declared(names["Settings"], constants["FED"], "network" in bodies)
