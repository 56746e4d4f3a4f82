"""Where things lie: the clone's files from any folder, and ~ and $VARIABLES in the paths of a config."""

import copy
from pathlib import Path

import pytest

from ra_icl.errors import InputError
from ra_icl.planning import places
from ra_icl.planning.config import load_config
from ra_icl.planning.places import expand_paths, in_clone, snakemake

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shipped():
    return load_config([ROOT / "config/config.yaml", ROOT / "config/public-flow.yaml"])


@pytest.fixture(autouse=True)
def _home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("DATA", "/disk 2/my {data} %s")
    monkeypatch.setenv("NOTHING", "")
    monkeypatch.delenv("NOWHERE", raising=False)


def test_every_path_of_a_config_is_expanded_and_nothing_else(shipped):
    config = copy.deepcopy(shipped)
    values = config["datasets"]["own"]
    values |= {"root": "~/x", "annotation": "$DATA/a.csv", "frames": "${DATA}/f", "excluded": ["~", "$DATA"]}
    config["datasets"]["smic"]["root"] = "a~b/$$DATA"
    config["public_flow"]["htnet"]["root"] = "~"
    config["faces"]["model"] = "$HOME/lbf.yaml"
    config["pathvars"] = {"results": "~/r", "logs": "<results>/logs", "benchmarks": "$HOME/<results>"}
    config["base"]["title"] = "$NOWHERE ~"
    expanded = expand_paths(config)
    own = {"root": "/home/ada/x", "annotation": "/disk 2/my {data} %s/a.csv", "frames": "/disk 2/my {data} %s/f"}
    assert {key: expanded["datasets"]["own"][key] for key in own} == own
    assert expanded["datasets"]["own"]["excluded"] == ["~", "$DATA"]
    assert expanded["datasets"]["smic"]["root"] == "a~b/$DATA"
    assert expanded["public_flow"]["htnet"]["root"] == "/home/ada"
    assert expanded["faces"]["model"] == "/home/ada/lbf.yaml"
    written = {"results": "/home/ada/r", "logs": "<results>/logs", "benchmarks": "/home/ada/<results>"}
    assert expanded["pathvars"] == written
    assert expanded["base"] == config["base"]
    assert config["datasets"]["own"]["root"] == "~/x"  # a copy
    for key in ("datasets", "public_flow", "faces", "pathvars"):
        config.pop(key), expanded.pop(key)
    assert expanded == config


def test_the_shipped_configs_have_nothing_to_expand(shipped):
    assert expand_paths(shipped) == shipped


@pytest.mark.parametrize("path", ["$NOWHERE/x", "a/${NOWHERE}", "$NOTHING", "${a-b}", "${}"])
@pytest.mark.parametrize(("place", "key"), [("datasets.own", "root"), ("faces", "model"), ("pathvars", "logs")])
def test_an_undefined_variable_is_one_line_that_names_the_key(shipped, place, key, path):
    config = copy.deepcopy(shipped)
    mapping = config
    for part in place.split("."):
        mapping = mapping[part]
    mapping[key] = path
    with pytest.raises(InputError, match=rf"^config: {place}\.{key}: \$\S* is not defined; run `export") as caught:
        expand_paths(config)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["res{x}", "<logs>/x", "a>b", "-x", " x", "x ", "$DATA"])
def test_a_results_folder_that_snakemake_would_misread_is_refused(shipped, path):
    config = copy.deepcopy(shipped)
    config["pathvars"]["results"] = path
    with pytest.raises(InputError, match=r"^config: pathvars\.results: is .*; choose a folder without"):
        expand_paths(config)


def test_the_clone_is_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert in_clone("config/config.yaml") == Path("config/config.yaml")
    assert snakemake() == ("snakemake", "--cores", "all")
    monkeypatch.chdir(tmp_path)
    assert in_clone("config/config.yaml") == ROOT / "config/config.yaml"
    assert snakemake() == ("snakemake", "-s", str(ROOT / "workflow/Snakefile"), "--cores", "all")
    other = tmp_path / "clone"
    for name in ("workflow/Snakefile", "config/config.yaml"):
        (other / name).parent.mkdir(parents=True)
        (other / name).touch()
    monkeypatch.chdir(other)  # the clone around the current folder goes first
    assert in_clone("config/config.yaml").resolve() == (other / "config/config.yaml").resolve()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(places, "PACKAGE", tmp_path / "site-packages/ra_icl")
    with pytest.raises(InputError, match=r"^config/config.yaml: is neither here .*; run from the root of the clone$"):
        in_clone("config/config.yaml")
