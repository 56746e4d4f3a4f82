"""Reading options: every class accepts its own defaults, types are strict, and who does not read needs no pydantic."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from typing import Annotated, Literal

import pytest

from ra_icl.datasets.options import DATASETS
from ra_icl.datasets.public_flow import PublishedOptions
from ra_icl.errors import InputError
from ra_icl.faces.options import FaceOptions
from ra_icl.flow.options import FlowOptions
from ra_icl.flow.sampling import Sampling
from ra_icl.options import Help, Options, above, between
from ra_icl.planning import code
from ra_icl.planning.options import from_mapping, json_schema, parse
from ra_icl.training.method import MethodOptions
from ra_icl.twins.plan import TwinOptions


@dataclass(frozen=True)
class Inner(Options):
    count: Annotated[int, between(1, 9), Help("how many")] = 3
    pair: Annotated[tuple[float, float], Help("low and high")] = (0.5, 1.5)

    def __post_init__(self):
        if self.pair[0] > self.pair[1]:
            raise ValueError("pair is not in order")


@dataclass(frozen=True)
class Outer(Options):
    share: Annotated[float, above(0), Help("a share")] = 0.5
    mode: Annotated[Literal["one", "two"], Help("which")] = "one"
    on: bool = False
    inner: Annotated[Inner, Help("more")] = field(default_factory=Inner)


@pytest.mark.parametrize(
    "cls",
    [FaceOptions, FlowOptions, Sampling, MethodOptions, TwinOptions, PublishedOptions, Outer, *DATASETS.values()],
)
def test_defaults_are_accepted_and_come_back_equal(cls):
    assert from_mapping(cls, {}) == cls()
    assert from_mapping(cls, asdict(cls())) == cls()
    assert parse(cls, json.dumps(asdict(cls())), "options") == cls()


def test_the_list_to_give_is_one_of_words_or_of_numbers():
    with pytest.raises(InputError, match=r"config: inner\.pair: is 1; give a list, such as \[1, 2\]"):
        from_mapping(Outer, {"inner": {"pair": 1}})
    own = DATASETS["own"]
    for values in ({"excluded": "neutral"}, {"labels": {"negative": "fear"}}):
        with pytest.raises(InputError, match=r"; give a list, such as \[a, b\]"):
            from_mapping(own, values)


def test_values_are_read_into_their_types():
    read = from_mapping(Outer, {"share": 2, "mode": "two", "on": True, "inner": {"pair": [1, 2.5]}})
    assert read == Outer(2.0, "two", True, Inner(3, (1.0, 2.5)))
    assert (type(read.share), type(read.inner.pair[0])) == (float, float)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"share": "0.5"}, "share: is '0.5'; give a number (YAML reads 1e-3 as text: write 0.001)"),
        ({"share": True}, "share: is True; give a number (YAML reads 1e-3 as text: write 0.001)"),
        ({"share": 0}, "share: is 0; give more than 0"),
        ({"share": None}, "share: is null; give a number (YAML reads 1e-3 as text: write 0.001)"),
        ({"on": 1}, "on: is 1; give true or false"),
        ({"on": "yes"}, "on: is 'yes'; give true or false"),
        ({"mode": "three"}, "mode: is 'three'; choose 'one' or 'two'"),
        ({"inner": {"count": 10}}, "inner.count: is 10; give at most 9"),
        ({"inner": {"count": 2.0}}, "inner.count: is 2.0; give an integer"),
        ({"inner": {"count": True}}, "inner.count: is True; give an integer"),
        ({"inner": {"pair": [1, 2, 3]}}, "inner.pair: is [1, 2, 3]; give a list of at most 2"),
        ({"inner": {"pair": [2, float("-inf")]}}, "inner.pair.1: is -inf; give a finite number"),
        ({"inner": {"pair": [2, 1]}}, "inner: pair is not in order"),
        ({"inner": {"pears": 1}}, "inner.pears: unknown key; known: count, pair"),
        ({"inner": [3]}, "inner: is [3]; give a mapping, such as {key: value}"),
        ({"shear": 1, "share": "x"}, "shear: unknown key; known: share, mode, on, inner; did you mean share?"),
        ({"coumt": 1}, "coumt: unknown key; known: share, mode, on, inner; did you mean inner.count?"),
    ],
)
def test_what_does_not_fit_is_one_line(values, text):
    with pytest.raises(InputError) as caught:
        from_mapping(Outer, values)
    assert str(caught.value) == f"config: {text}"
    with pytest.raises(InputError) as caught:
        from_mapping(Outer, values, "place.in")
    assert str(caught.value) == f"config: place.in.{text}"
    with pytest.raises(InputError) as caught:
        parse(Outer, json.dumps(values), "options")
    assert str(caught.value) == f"--options: {text}"


@pytest.mark.parametrize(
    ("text", "part"),
    [("{", "not JSON"), ("[1]", "give a JSON object"), ('{"share": NaN}', "share: is nan; give a fin")],
)
def test_text_that_is_no_object_is_refused(text, part):
    with pytest.raises(InputError, match=f"^--options: {part}"):
        parse(Outer, text, "options")


def test_the_schema_has_help_and_ranges_of_nested_options():
    inner = json_schema(Outer)["$defs"]["Inner"]["properties"]
    assert inner["count"]["description"] == "how many"
    assert (inner["count"]["minimum"], inner["count"]["maximum"]) == (1, 9)
    assert json_schema(Outer)["properties"]["inner"]["description"] == "more"


BLOCKER = """
import sys
for name in sys.argv[2].split():
    sys.modules[name] = None  # an import of it raises ImportError
__import__(sys.argv[1], fromlist=["x"])
"""
READERS = "pydantic pydantic_core typer snakemake"


@pytest.mark.parametrize(
    ("module", "blocked"),
    [
        ("ra_icl.training.fold", f"{READERS} cv2"),
        ("ra_icl.model.siamese", f"{READERS} cv2"),
        ("ra_icl.flow.subjects", f"{READERS} cv2"),
        ("ra_icl.flow.tvl1_torch", f"{READERS} cv2"),
        ("ra_icl.planning.plan", "torch cv2 typer"),
    ],
)
def test_steps_are_imported_without(module, blocked):
    done = subprocess.run([sys.executable, "-c", BLOCKER, module, blocked], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]


def test_an_edited_help_text_reruns_nothing(monkeypatch, tmp_path):
    """The digest of a step's code changes with a range or a default, not with an option's help."""
    read = code._path("ra_icl.training.method").read_text()

    def digest(text):
        path = tmp_path / "method.py"
        path.write_text(text)
        monkeypatch.setattr(code, "_path", lambda _: path)
        return code._read.__wrapped__("ra_icl.training.method")[1]

    assert digest(read) == digest(read.replace("sequences per step", "sequences in each step"))
    assert digest(read) != digest(read.replace("at_least(1), Help", "at_least(2), Help"))
    assert digest(read) != digest(read.replace("= 32", "= 33"))
