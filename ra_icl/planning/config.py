"""The config: files on top of each other, checked against the schema, and slices of it as text."""

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ra_icl.errors import InputError


def check_config(config: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Check a config against the JSON schema. Raises InputError that names the first key at fault."""
    from jsonschema import Draft202012Validator

    errors = Draft202012Validator(schema).iter_errors(_plain(config))
    for error in sorted(errors, key=lambda error: (len(error.absolute_path), error.message)):
        where = ".".join(map(str, error.absolute_path)) or "(top level)"
        known = ", ".join(error.schema["properties"]) if error.validator == "additionalProperties" else ""
        hint = f"; known keys: {known}" if known else ""
        raise InputError(f"config: {where}: {error.message}{hint}; see config/README.md")


def load_config(paths: Sequence[Path], schema: Path) -> dict[str, Any]:
    """Read config files, each on top of those before it as Snakemake does, and check the result.

    Raises InputError for a file that cannot be read, and as `check_config`.
    """
    config: dict[str, Any] = {}
    for path in paths:
        try:
            found = yaml.safe_load(Path(path).read_text()) or {}
        except (OSError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{path}: cannot be read as YAML ({reason}); correct it") from error
        config = merge(config, found)
    check_config(config, yaml.safe_load(Path(schema).read_text()))
    return config


def slice_of(values: Any) -> str:
    """A slice of the config as one string that does not depend on the order of keys."""
    return json.dumps(_plain(values), sort_keys=True)


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes` on top: a mapping changes a mapping key by key, anything else takes its place."""
    merged = dict(copy.deepcopy(base))
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _plain(values: Any) -> Any:
    return json.loads(json.dumps(values))
