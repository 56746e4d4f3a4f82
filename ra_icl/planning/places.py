"""Where things lie: the files of the clone, and the paths that a config names."""

import copy
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ra_icl.errors import InputError

PACKAGE = Path(__file__).parents[1]


def in_clone(name: str | Path) -> Path:
    """A file of the clone, such as config/config.yaml: the clone around the current folder, else around this package.

    Relative to the current folder, if it is below. Raises InputError if neither is a clone.
    """
    for clone in (Path.cwd(), PACKAGE.parent):
        if (clone / "workflow/Snakefile").is_file() and (clone / name).is_file():
            return shown(clone / name)
    raise InputError(f"{name}: is neither here nor beside the package; run from the root of the clone")


def snakemake() -> tuple[str, ...]:
    """The command that runs the workflow from the current folder."""
    snakefile = in_clone("workflow/Snakefile")
    return ("snakemake", *(("-s", str(snakefile)) if snakefile.is_absolute() else ()), "--cores", "all")


def shown(path: Path) -> Path:
    """A path relative to the current folder, if it is below, as a person would write it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def expand_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a config that fits its classes, with `~` and `$VARIABLE` replaced in every path that it names.

    Those below `datasets`, `public_flow`, `faces` and `pathvars`; `$$` is a dollar sign. Nothing else replaces them.
    Raises InputError that names the key of a variable which is undefined or empty, and of a folder in whose name
    Snakemake would see wildcards or options.
    """
    expanded = copy.deepcopy(dict(config))
    for where, mapping, key in _paths(expanded):
        mapping[key] = _expand(mapping[key], f"config: {where}.{key}")
        if where == "pathvars":
            _require_plain(mapping[key], key)
    return expanded


def _paths(config: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """(the mapping's key, the mapping, the key in it) of every path."""
    keys = {f"datasets.{name}": ("root", "annotation", "frames") for name in config["datasets"]}
    keys |= {f"public_flow.{name}": ("root",) for name in config["public_flow"]}
    keys |= {"faces": ("model",), "pathvars": tuple(config["pathvars"])}
    for where, names in keys.items():
        mapping = config
        for part in where.split("."):
            mapping = mapping[part]
        yield from ((where, mapping, name) for name in names if name in mapping)


def _expand(path: str, where: str) -> str:
    def value(match: re.Match) -> str:
        name = match[1] or match[2]
        if name is not None and not os.environ.get(name):
            raise InputError(
                f"{where}: ${name} is not defined; run `export {name}=...` first, or write $$ if the dollar is meant"
            )
        return "$" if name is None else os.environ[name]

    return os.path.expanduser(re.sub(r"\$(?:\$|(\w+)|\{([^}]*)\})", value, path, flags=re.ASCII))


def _require_plain(path: str, key: str) -> None:
    """Raise InputError for a folder of `pathvars` that Snakemake would not take as it is; `<results>` is its own."""
    rest = path if key == "results" else path.replace("<results>", "")
    if path.startswith("-") or path != path.strip() or re.search("[{}<>]", rest):
        raise InputError(
            f"config: pathvars.{key}: is {path!r}, of which Snakemake would read a part as its own; "
            "choose a folder without < > { }, without a dash in front and without blanks at the ends"
        )
