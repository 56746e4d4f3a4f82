"""The config: files on top of each other, checked, and slices of it as text."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ra_icl.errors import InputError
from ra_icl.files import unusable
from ra_icl.planning.candidates import add_candidates
from ra_icl.planning.methods import merge, resolve_methods
from ra_icl.planning.options import from_mapping, json_schema
from ra_icl.planning.places import expand_paths, in_clone
from ra_icl.planning.settings import Config

CONFIG = Path("config/config.yaml")  # in the clone


def check_config(config: Mapping[str, Any]) -> Config:
    """Read a config; check its methods, sweeps and candidates. Raises InputError that names the first key at fault."""
    checked = from_mapping(Config, config)
    methods, sweeps = resolve_methods(config)
    add_candidates(config, methods, sweeps)
    return checked


def config_schema() -> dict[str, Any]:
    """The JSON schema of a config, for editors. A method of `methods` is described as `base` is: no key is required."""
    schema = json_schema(Config)
    names = schema["properties"]["methods"]["patternProperties"]
    names.update({pattern: {"anyOf": [{"$ref": "#/$defs/Method"}, {"type": "null"}]} for pattern in names})
    return schema


def load_config(paths: Sequence[Path]) -> dict[str, Any]:
    """Read config files, each on top of those before it as Snakemake does, check the result and expand its paths.

    Raises InputError for a file that cannot be read or holds a key twice, and as `prepare`.
    """
    config: dict[str, Any] = {}
    for path in paths:
        config = merge(config, _read_yaml(Path(path)))
    return prepare(config)


def load_run(configfiles: Sequence[Path] = ()) -> dict[str, Any]:
    """The config of a run: the clone's config/config.yaml and, on top of it, these files. Raises as `load_config`."""
    return load_config([in_clone(CONFIG), *configfiles])


def prepare(config: Mapping[str, Any]) -> dict[str, Any]:
    """Check a config that was merged from its files, and expand its paths. Raises InputError that names the key."""
    check_config(config)
    return expand_paths(config)


def refuse_twice(paths: Sequence[Path]) -> None:
    """Raise InputError for a key that is given twice in one of the config files, of which a YAML reader takes the last.

    Files that do not exist are passed over: whoever reads them says so.
    """
    for path in paths:
        if Path(path).is_file():
            _read_yaml(Path(path))


def slice_of(values: Any) -> str:
    """A slice of the config as one string that does not depend on the order of keys."""
    return json.dumps(values, sort_keys=True)


def _read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds."""
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        root = loader.get_single_node()
        _refuse_twice(root, path)
        found = loader.construct_document(root) if root else {}
    except InputError:
        raise
    except OSError as error:
        raise unusable(error) from error
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        reason = _reason(error)
        raise InputError(f"{path}: cannot be read as YAML ({reason}); correct it") from error
    if not isinstance(found, Mapping):
        raise InputError(f"{path}: holds no mapping of keys; write `key: value` lines, as in config/config.yaml")
    return found


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start + 1} is not UTF-8: save the file as UTF-8"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return "nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())


def _refuse_twice(node: yaml.Node | None, path: Path, where: str = "") -> None:
    """Raise InputError for a key that a mapping holds twice: YAML's readers take the last and say nothing."""
    lines: dict[str, int] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        name, line = f"{where}.{key.value}".lstrip("."), key.start_mark.line + 1
        if name in lines:
            raise InputError(f"{path}, line {line}: {name} is already in line {lines[name]}; keep one of the two")
        lines[name] = line
        _refuse_twice(value, path, name)
    for number, item in enumerate(node.value if isinstance(node, yaml.SequenceNode) else ()):
        _refuse_twice(item, path, f"{where}.{number}")
