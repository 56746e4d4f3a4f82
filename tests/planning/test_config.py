"""The config: one declaration per key, files that do not fit, and the line that each of them ends in."""

import copy
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
import yaml

from ra_icl.datasets.options import DATASETS
from ra_icl.errors import InputError
from ra_icl.faces.options import FaceOptions
from ra_icl.flow.options import FlowOptions
from ra_icl.flow.sampling import Sampling
from ra_icl.planning.config import check_config, config_schema, load_config
from ra_icl.planning.plan import make_plan
from ra_icl.training.method import MethodOptions
from ra_icl.twins.plan import TwinOptions

ROOT = Path(__file__).parents[2]
NAMES = ("config", "demo", "public-flow", "study", "study-seed2", "study-control")
CONFIG, DEMO, PUBLIC, STUDY, SECOND, CONTROL = (ROOT / "config" / f"{name}.yaml" for name in NAMES)
SHIPPED = [[], [DEMO], [PUBLIC], [STUDY], [STUDY, SECOND], [STUDY, CONTROL]]  # on top of config.yaml


def as_plain(options):
    if is_dataclass(options):
        return {field.name: as_plain(getattr(options, field.name)) for field in fields(options)}
    return list(options) if isinstance(options, tuple) else options


@pytest.mark.parametrize("files", SHIPPED, ids=NAMES)
def test_the_shipped_configs_fit(files):
    config = load_config([CONFIG, *files])
    checked = check_config(config)
    assert checked.base.training.batch == config["base"]["training"]["batch"]
    assert checked.keep_networks == tuple(config["keep_networks"])


@pytest.mark.parametrize(("files", "pairs"), [([], 16), ([DEMO], 4), ([STUDY], 4)], ids=["config", "demo", "study"])
def test_controls_draw_as_many_pairs_as_the_whole_method(files, pairs):
    config = load_config([CONFIG, *files])
    ours, methods = config["base"]["training"]["pairs"], config["methods"]
    assert (config["base"]["sampling"]["instances"] if ours == "instances" else ours) == pairs
    assert methods["m1_equal"]["training"] == {"classify": "both", "pairs": pairs}
    assert methods["m2_equal"]["training"] == {"classify": "both"}


def test_the_config_has_the_defaults_of_the_package():
    """A step typed by hand, without options, does what the workflow does."""
    ours = load_config([CONFIG])
    assert ours["faces"] == as_plain(FaceOptions())
    assert ours["flow"] == as_plain(FlowOptions())
    assert ours["twins"] == as_plain(TwinOptions())
    assert ours["base"]["sampling"] == as_plain(Sampling())
    method = as_plain(MethodOptions())
    assert {key: ours["base"][key] for key in method} == method
    for name in DATASETS:
        assert ours["datasets"][name] == as_plain(DATASETS[name]())


FAULTS = [
    ("fases: {}", r"fases: unknown key; known: pathvars, data, datasets, "),
    ("folds_per_job: 6", r"folds_per_job: unknown key; known: .*folds_per_gpu, keep_networks"),
    ("base: {loss: {lambda1: 1}}", r"base\.loss\.lambda1: unknown key; known: classification, attention, regions"),
    ("base: {training: {learning_rate: 1e-3}}", r"base\.training\.learning_rate: is '1e-3'; .* write 0\.001\)$"),
    ("base: {training: {learning_rate: .nan}}", r"base\.training\.learning_rate: is nan; give a finite number$"),
    ("base: {training: {device: gpu}}", r"base\.training\.device: is 'gpu'; choose 'auto', 'cuda' or 'cpu'$"),
    (
        "base: {training: {pairs: 0}}",
        r"base\.training\.pairs: is 0; choose 'sequences' or 'instances', or give at least 1$",
    ),
    (
        "base: {training: {pairs: all}}",
        r"base\.training\.pairs: is 'all'; choose 'sequences' or 'instances', or give an integer$",
    ),
    ("base: {model: {target_decay_end: 1.5}}", r"base\.model\.target_decay_end: is 1\.5; give at most 1$"),
    ("base: {training: {batch: true}}", r"base\.training\.batch: is True; give an integer$"),
    ("base: {augmentation: {blur: 1.5}}", r"base\.augmentation\.blur: is 1\.5; give at most 1$"),
    ("base: {augmentation: {blur_sigma: [1]}}", r"base\.augmentation\.blur_sigma\.1: is missing; "),
    (
        "base: {augmentation: {blur_sigma: [2, 1]}}",
        r"base\.augmentation: blur_sigma is \[2\.0, 1\.0\]; give the smaller",
    ),
    ("base: {sampling: {instances: 0}}", r"base\.sampling\.instances: is 0; give at least 1$"),
    ("base: null", r"base: is null; give a mapping"),
    ("methods: {m4: {los: {}}}", r"methods\.m4\.los: unknown key; known: input, model, loss, "),
    ("methods: {m6: {training: {epoch: 3}}}", r"methods\.m6\.training\.epoch: unknown key; known: epochs, batch, "),
    ("methods: {m6: {model: {regions: {heads: 7}}}}", r"methods\.m6\.model\.regions: width is 32; .*heads \(7\)"),
    (
        "methods: {m6: {model: {regions: {queries: 0}}}}",
        r"methods\.m6\.model\.regions\.queries: is 0; give at least 1$",
    ),
    ("methods: {m2: {sampling: {mode: published}}}", r"methods\.m2\.sampling\.mode: published does not go with"),
    (
        "base: {input: {normalise: none}, augmentation: {flip_negates_u: true}}",
        r"methods\.m1\.augmentation\.flip_negates_u: turns u into 1 - u, but with input.normalise none u is in pixels",
    ),
    ("methods: {M 6: {}}", r"methods\.M 6: is 'M 6'; give a name that matches \^\[a-z\]"),
    ("methods: {m6: 3}", r"methods\.m6: is 3; give a mapping"),
    (
        "sweeps: {queries: {values: [2, 0]}}",
        r"sweeps\.queries\.values\.1\.model\.regions\.queries: is 0; give at least",
    ),
    (
        "sweeps: {queries: {values: [2, two]}}",
        r"sweeps\.queries\.values\.1\.model\.regions\.queries: is 'two'; give an i",
    ),
    ("sweeps: {queries: {values: [2, 2]}}", r"sweeps\.queries\.values\.1: method m6_queries_2 is there already"),
    ("sweeps: {queries: {key: model.querys}}", r"sweeps\.queries\.key: 'model\.querys' is no key of a method"),
    ("sweeps: {queries: {key: title.of.it}}", r"sweeps\.queries\.key: 'title\.of\.it' is no key of a method"),
    ("sweeps: {queries: {method: m0}}", r"sweeps\.queries\.method: 'm0' is not defined; known: m1, m2"),
    ("sweeps: {queries: {vaules: [1]}}", r"sweeps\.queries\.vaules: unknown key; known: figure, method, key, values"),
    ("sweeps: {mine: {method: m6}}", r"sweeps\.mine\.figure: is missing; add it"),
    ("tables: {table1: [m99]}", r"tables\.table1: 'm99' is not defined; known: m1, m2"),
    ("tables: {table1: [m1, m6, m1]}", r"tables\.table1: holds 'm1' twice"),
    ("confusion: ours", r"confusion: 'ours' is not defined"),
    ("keep_networks: [m2, m66]", r"keep_networks: 'm66' is not defined; known: m1, m2"),
    ("final_model: {method: m66}", r"final_model\.method: 'm66' is not defined; known: m1, m2"),
    ("final_model: {protocol: own}", r"final_model\.protocol: 'own' is not defined; known: cde, casme3_3"),
    ("final_model: {protocol: cross}", r"final_model\.protocol: is 'cross'; choose 'cde', 'groups5'"),
    ("folds_per_gpu: 0", r"folds_per_gpu: is 0; give at least 1$"),
    ("data: {source: files}", r"data\.source: is 'files'; choose 'datasets', 'twins' or 'public_flow'$"),
    (
        "base: {peer: {name: svm}}",
        r"base\.peer: would turn every method into a peer; set it under methods, for one method$",
    ),
    ("protocols: [mde]", r"protocols\.0: is 'mde'; choose 'cde', "),
    ("protocols: [groups5, casme3_3, cde]", r"protocols: holds cde and groups5, which fill the same tables; run one"),
    ("tables: {table3_controls: [m6, m13]}", r"tables\.table3_controls: 'm13' is not defined; known: m1, m2"),
    ("protocols: cde", r"protocols: is 'cde'; give a list"),
    ("seeds: []", r"seeds: is \[\]; give a list of at least 1$"),
    ("seeds: [0, 1, 0]", r"seeds: holds 0 twice"),
    ("twins: {subjects: 1}", r"twins\.subjects: is 1; give at least 2$"),
    ("twins: {subjects: 201}", r"twins\.subjects: is 201; give at most 200$"),
    ("twins: {casme3_subjects: 1000000000}", r"twins\.casme3_subjects: is 1000000000; give at most 200$"),
    ("twins: {per_class: 41}", r"twins\.per_class: is 41; give at most 40$"),
    ("training: {epochs: 3}", r"training: unknown key; known: pathvars, .*; did you mean base\.training\?$"),
    ("trainning: {epochs: 3}", r"trainning: unknown key; .*; did you mean base\.training\?$"),
    ("protocol: [cde]", r"protocol: unknown key; .*; did you mean protocols\?$"),
    ("seed: 3", r"seed: unknown key; .*; did you mean seeds\?$"),  # and not that of twins, of which there are others
    ("instances: 3", r"instances: unknown key; .*, reference$"),  # of sampling or of inference
    ("methods: {m6: {epochs: 3}}", r"methods\.m6\.epochs: unknown key; .*; did you mean training\.epochs\?$"),
    ("{'': 3}", r"'': unknown key; known: pathvars"),
    ("base: {loss: {'': 3}}", r"base\.loss\.'': unknown key; known: classification"),
    ("twins: {frames: [7, 30]}", r"twins\.frames\.0: is 7; give at least 8$"),
    ("faces: {size: 224.5}", r"faces\.size: is 224\.5; give an integer$"),
    ("faces: {detector: lbf}", r"faces: detector lbf needs its model file"),
    ("flow: {opencv: {lamda: 1}}", r"flow\.opencv\.lamda: unknown key; known: tau, lambda_"),
    ("public_flow: {htnet: {layout: apex}}", r"public_flow\.htnet\.layout: is 'apex'; choose "),
    ("public_flow: {htnet: {rot: x}}", r"public_flow\.htnet\.rot: unknown key; known: root, layout, reverse_decay"),
    ("datasets: {own: {labels: {yes: [joy]}}}", r"datasets\.own\.labels: the key True is not text; put it in quotes"),
    ("datasets: {own: {labels: {no: [joy]}}}", r"datasets\.own\.labels: the key False is not text; put it in quotes"),
    ("datasets: {own: {labels: {1: [joy]}}}", r"datasets\.own\.labels: the key 1 is not text; put it in quotes"),
    ("datasets: {own: {labels: {glad: [joy, no]}}}", r"datasets\.own\.labels\.glad\.1: is False; give text, in quotes"),
    ("datasets: {own: {labels: {glad: []}}}", r"datasets\.own\.labels\.glad: is \[\]; give a list of at least 1$"),
    ("datasets: {own: {labels: {a b: [joy]}}}", r"datasets\.own: labels has a class 'a b'; begin with a letter"),
    ("datasets: {own: {excluded: [off]}}", r"datasets\.own\.excluded\.0: is False; give text, in quotes"),
    (
        "datasets: {smic: {root: 2026-01-31}}",
        r"datasets\.smic\.root: is datetime\.date\(2026, 1, 31\); put it",
    ),
    ("datasets: {casme4: {root: x}}", r"datasets\.casme4: unknown key; known: casme2, samm, smic, casme3, own"),
    ("pathvars: {results: ''}", r"pathvars\.results: is ''; give some text$"),
    ("pathvars: {results: $RA_ICL_NOWHERE}", r"pathvars\.results: \$RA_ICL_NOWHERE is not defined; run `export"),
    ("pathvars: null", r"pathvars: is null; give a mapping"),
    ("datasets: null", r"datasets: is null; give a mapping"),
    ("datasets: {own: []}", r"datasets\.own: is \[\]; give a mapping"),
    ("methods: [m1]", r"methods: is \['m1'\]; give a mapping"),
    ("sweeps: 3", r"sweeps: is 3; give a mapping"),
    ("tables: {table1: null}", r"tables\.table1: is null; give a list"),
    ("seeds: 2026-01-31", r"seeds: is datetime\.date\(2026, 1, 31\); put it in quotes"),
    ("2026-01-31: 1", r"the key datetime\.date\(2026, 1, 31\) is not text; put it in quotes"),
    ("~: 1", r"the key None is not text; put it in quotes"),
    ("faces: {margin: .inf}", r"faces\.margin: is inf; give a finite number$"),
    (f"base: {{training: {{epochs: {10**30}}}}}", r"base\.training\.epochs: is 10+; give a number below 2\^63$"),
    (f"base: {{training: {{gamma: {10**400}}}}}", r"base\.training\.gamma: is 10{99}\.\.\.; give a number below"),
    (f"seeds: {'[' * 90}{']' * 90}", r"seeds\.0: is [\[\]]{100}\.\.\.; give an integer$"),
    ('methods: {"m6\\n": {}}', r"methods: a key is 'm6\\n'; leave out line breaks and other control characters$"),
    ('tables: {table1: ["m6\\n"]}', r"tables\.table1\.0: is 'm6\\n'; leave out line breaks"),
    ('datasets: {smic: {root: "a\\0b"}}', r"datasets\.smic\.root: is 'a\\x00b'; leave out line breaks"),
    ('datasets: {smic: {root: "\\ud800"}}', r"datasets\.smic\.root: is '\\ud800'; leave out"),
    (f"methods: {{m{'a' * 60}: {{}}}}", r"methods\.ma{60}: is 'ma{60}'; give at most 60 letters$"),
    ("sweeps: {queries: {key: loss.regions.x}}", r"sweeps\.queries\.key: 'loss\.regions\.x' is no key of a method"),
    ("sweeps: {queries: {key: ''}}", r"sweeps\.queries\.key: '' is no key of a method"),
    ("sweeps: {queries: {figure: 6}}", r"sweeps\.queries\.figure: 6 is taken; choose another number$"),
    ("sweeps: {queries: {figure: 11}}", r"sweeps\.queries\.figure: 11 is taken; choose another number$"),
    ("sweeps: {queries: {key: training.epochs, values: [0]}}", r"sweeps\.queries\.values\.0\.training\.epochs: is 0"),
    (
        "sweeps: {queries: {key: title, values: ['%']}}",
        r"sweeps\.queries\.values\.0: '%' cannot name a method; use",
    ),
    (f"sweeps: {{queries: {{key: title, values: [{'x' * 61}]}}}}", r"sweeps\.queries\.values\.0: 'x+' cannot name"),
    ("base: {model: {regions: {heads: 7}}}", r"base\.model\.regions: width is 32; .*heads \(7\)"),
]


@pytest.mark.parametrize(("text", "line"), FAULTS, ids=[text[:60] for text, _ in FAULTS])
def test_a_config_that_does_not_fit_is_one_line_that_names_the_key(tmp_path, text, line):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(InputError, match=f"^config: {line}") as caught:
        load_config([CONFIG, DEMO, tmp_path / "mine.yaml"])
    assert "\n" not in str(caught.value)


def test_the_plan_checks_what_a_fold_will_check():
    """Also where a key is only wrong in what the base and the overrides of a method give together."""
    config = load_config([CONFIG, DEMO])
    for change in ({"training": {"batch": 0}}, {"model": {"regions": {"width": 36, "heads": 8}}}):
        wrong = copy.deepcopy(config)
        wrong["methods"]["m9"] |= change
        with pytest.raises(InputError, match=r"config: methods\.m9\."):
            make_plan(wrong)
    # Wrong with the default width, 256, but right with the base's, 32 of the demo changed to 36.
    config["base"]["model"]["regions"] |= {"width": 36, "heads": 4}
    config["methods"]["m9"] |= {"model": {"regions": {"heads": 9}}}
    assert make_plan(config).methods["m9"]["model"]["regions"]["heads"] == 9


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("seeds: [0]\nprotocols: [cde]\nseeds: [1]\n", "line 3: seeds is already in line 1; keep one of the two"),
        (
            "methods:\n  m1:\n    loss: {attention: 0, attention: 1}\n",
            "line 3: methods.m1.loss.attention is already in line 3",
        ),
        ("methods:\n  mine: {}\n  other: {}\n  mine: {}\n", "line 4: methods.mine is already in line 2"),
        ("x: [{a: 1}, {b: 1,\n  b: 2}]", "line 2: x.1.b is already in line 1"),
        ("seeds: [0", "cannot be read as YAML"),
        ("- seeds", "holds no mapping of keys"),
        ("just text", "holds no mapping of keys"),
        ("base:\n\ttraining: 3", "cannot be read as YAML (line 2: found character '\\t' that cannot start any token)"),
        ("seeds: [0] # Größe".encode("latin-1"), "byte 16 is not UTF-8: save the file as UTF-8"),
        ("seeds: [0]".encode("utf-16"), "byte 1 is not UTF-8"),
        (b"seeds: [0]\0", "unacceptable character"),
        ("seeds: !!python/object:os.system [ls]", "could not determine a constructor"),
        ("? [a]\n: 1", "found unhashable key"),
        (f"seeds: [{'9' * 5000}]", "cannot be read as YAML"),
        ("a: " + "[" * 3000, "nested too deeply"),
        ("a: " + "{a: " * 900 + "1" + "}" * 900, "nested too deeply"),
        ("base: &a {loss: *a}", "nested too deeply"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_file_that_is_no_config_is_named_with_the_line(tmp_path, text, line):
    path = tmp_path / "mine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError) as caught:
        load_config([CONFIG, path])
    assert str(caught.value).startswith(str(path))
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_file_changes_nothing_and_a_merged_mapping_may_be_overridden(tmp_path):
    (tmp_path / "empty.yaml").write_text("# nothing yet\n")
    assert load_config([CONFIG, tmp_path / "empty.yaml"]) == load_config([CONFIG])
    (tmp_path / "merged.yaml").write_text("flow:\n  opencv: &a {tau: 0.2, theta: 0.4}\n  ipol: {<<: *a, tau: 0.1}\n")
    flow = load_config([CONFIG, tmp_path / "merged.yaml"])["flow"]
    assert (flow["ipol"]["tau"], flow["ipol"]["theta"]) == (0.1, 0.4)


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"^\S*mine\.yaml: No such file or directory; check the path, .*$"):
        load_config([CONFIG, tmp_path / "mine.yaml"])


def test_a_config_in_utf8_is_read_whatever_its_letters(tmp_path):
    (tmp_path / "mine.yaml").write_text("\ufeffdatasets: {smic: {root: Größe/中文}}  # ³\n", encoding="utf-8")
    assert load_config([CONFIG, tmp_path / "mine.yaml"])["datasets"]["smic"]["root"] == "Größe/中文"


def test_values_of_a_sweep_become_parts_of_paths_that_no_shell_reads(tmp_path):
    text = "sweeps: {queries: {key: title, values: ['$(touch x)', 'a/b', '../c', 'd; e', \"f'g\", 1e3]}}"
    (tmp_path / "mine.yaml").write_text(text)
    (tmp_path / "more.yaml").write_text("sweeps: {lambda1: {key: model.backbone.blocks, values: [[1, 2], [2, 2, 2]]}}")
    plan = make_plan(load_config([CONFIG, DEMO, tmp_path / "mine.yaml", tmp_path / "more.yaml"]))
    labels = ["touch-x", "a-b", "..-c", "d-e", "f-g", "1e3", "1-2", "2-2-2"]
    swept = [name for name in plan.methods if "queries" in name or "lambda1" in name]
    assert swept == [f"m6_{'queries' if number < 6 else 'lambda1'}_{label}" for number, label in enumerate(labels)]
    assert plan.methods["m6_lambda1_1-2"]["model"]["backbone"]["blocks"] == [1, 2]


def test_a_sweep_over_a_group_of_keys_leaves_the_others_as_they_are(tmp_path):
    (tmp_path / "mine.yaml").write_text("sweeps: {queries: {key: loss, values: [{regions: 1}, {attention: 3}]}}")
    plan = make_plan(load_config([CONFIG, DEMO, tmp_path / "mine.yaml"]))
    ours = plan.methods["m6"]["loss"]
    swept = [method["loss"] for name, method in plan.methods.items() if "queries" in name]
    assert swept == [ours | {"regions": 1}, ours | {"attention": 3}]


def test_null_removes_methods_and_sweeps(tmp_path):
    (tmp_path / "mine.yaml").write_text("methods: {m10: null}\nsweeps: null\ntables: {table3: [m1]}\n")
    plan = make_plan(load_config([CONFIG, DEMO, tmp_path / "mine.yaml"]))
    controls = ["m1_equal", "m2_equal", "m6_all", "m6_squared", "m6_sharp", "m6_cited", "m11", "m12"]
    ours = [name for name in plan.methods if not name.startswith("peer_")]
    assert ours == [*(f"m{number}" for number in range(1, 10)), *controls]
    assert plan.sweeps == {}


def test_the_json_schema_has_types_ranges_choices_and_help():
    schema = config_schema()
    training = schema["$defs"]["OptimiserOptions"]
    assert training["properties"]["batch"] == {
        "type": "integer",
        "minimum": 1,
        "default": 32,
        "description": "most pairs of instances per step; an epoch is split evenly",
        "title": "Batch",
    }
    assert training["properties"]["gamma"] | {"exclusiveMinimum": 0, "maximum": 1} == training["properties"]["gamma"]
    numbers = {"type": "integer", "minimum": 1}
    assert training["properties"]["pairs"]["anyOf"] == [{"enum": ["sequences", "instances"], "type": "string"}, numbers]
    share = {"type": "number", "minimum": 0, "maximum": 1}
    decay = schema["$defs"]["ModelOptions"]["properties"]["target_decay_end"]
    assert (decay["anyOf"], decay["default"]) == ([share, {"type": "null"}], None)
    assert training["properties"]["device"]["enum"] == ["auto", "cuda", "cpu"]
    assert training["additionalProperties"] is False
    assert schema["properties"]["seeds"]["items"] == {"type": "integer", "minimum": 0}
    assert schema["required"][:3] == ["pathvars", "data", "datasets"]
    (method,) = schema["properties"]["methods"]["patternProperties"].values()
    assert method == {"anyOf": [{"$ref": "#/$defs/Method"}, {"type": "null"}]}


def test_every_option_has_help():
    schema = config_schema()
    lacking = [
        f"{name}.{key}"
        for name, one in {"Config": schema, **schema["$defs"]}.items()
        for key, option in one["properties"].items()
        if not option.get("description")
    ]
    assert lacking == []


@pytest.mark.parametrize("files", SHIPPED, ids=NAMES)
def test_the_json_schema_agrees_with_the_reader(files):
    """A validator of JSON schemas accepts the shipped configs and refuses what the reader refuses."""
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(config_schema())
    config = load_config([CONFIG, *files])
    assert list(validator.iter_errors(config)) == []
    for key, value in {"folds_per_gpu": 0, "fases": {}, "seeds": ["a"], "methods": {"mine": {"los": {}}}}.items():
        assert list(validator.iter_errors(config | {key: value}))


def test_yaml_anchors_of_the_shipped_config_are_plain_values():
    assert yaml.safe_load(CONFIG.read_text())["flow"]["ipol"]["tau"] == 0.25
