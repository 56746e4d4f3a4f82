"""What an edit of the package reruns: a table of files and the steps whose digest changes, on a copy of the package."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import ra_icl
from ra_icl.planning import code
from ra_icl.planning.code import code_digest, dependencies

# What each rule of the workflow passes to `code_digest`, with the flow's default backend.
STEPS = {
    "twins": ("ra_icl.twins.render",),
    "index": ("ra_icl.datasets.reading",),
    "published": ("ra_icl.datasets.public_flow",),
    "crops": ("ra_icl.faces.crop",),
    "flow": ("ra_icl.flow.subjects", "ra_icl.flow.tvl1_numba"),
    "flow_set": ("ra_icl.flow.checksums",),
    "fold": ("ra_icl.training.fold",),
    "metrics": ("ra_icl.evaluation.metrics",),
    "tables": ("ra_icl.evaluation.tables",),
    "counts": ("ra_icl.evaluation.count_tables",),
    "figures": ("ra_icl.evaluation.figures",),
}
WRITES_OR_READS_TENSORS = {"twins", "published", "crops", "flow", "flow_set", "fold"}


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Iterator[Path]:
    """A copy of the package that `code_digest` reads."""
    copy = tmp_path_factory.mktemp("copy") / "ra_icl"
    shutil.copytree(Path(ra_icl.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(code, "PACKAGE", copy)
        yield copy
    code._read.cache_clear()


@pytest.fixture(autouse=True)
def _reread():
    """Every test reads the files as they are."""
    code._read.cache_clear()


@pytest.fixture(scope="module")
def before(package) -> dict[str, str]:
    return digests()


def digests() -> dict[str, str]:
    code._read.cache_clear()
    return {step: code_digest(*modules) for step, modules in STEPS.items()}


def rerun_by_an_edit(path: Path, before: dict[str, str]) -> set[str]:
    """The steps whose digest changes with a line more in the file."""
    text = path.read_text()
    path.write_text(f"{text}\nEDITED = 1\n")
    after = digests()
    path.write_text(text)
    return {step for step in STEPS if before[step] != after[step]}


@pytest.mark.parametrize(
    ("file", "rerun", "kept"),
    [
        ("files.py", WRITES_OR_READS_TENSORS, set()),
        ("datasets/protocols.py", {"index", "fold", "counts"}, {"crops", "flow", "flow_set"}),
        ("datasets/smic.py", {"index"}, {"crops", "flow", "fold"}),
        ("datasets/workbook.py", {"index"}, {"flow", "fold", "metrics", "tables"}),
        ("datasets/frames.py", {"crops"}, {"flow", "flow_set", "fold", "metrics"}),
        ("datasets/public_flow.py", {"published"}, {"index", "crops", "flow", "fold"}),
        ("faces/haar.py", {"crops"}, {"index", "flow", "fold"}),
        ("flow/numba_warp.py", {"flow"}, {"crops", "published", "flow_set", "fold"}),
        ("flow/sampling.py", {"flow"}, {"crops", "flow_set"}),
        ("training/losses.py", {"fold"}, {"crops", "flow", "flow_set", "metrics"}),
        ("model/backbone.py", {"fold"}, {"crops", "flow", "metrics"}),
        ("evaluation/metrics.py", {"metrics"}, {"fold", "flow"}),
    ],
)
def test_an_edited_file_reruns_what_depends_on_it(package, before, file, rerun, kept):
    found = rerun_by_an_edit(package / file, before)
    assert rerun <= found
    assert not kept & found


@pytest.mark.parametrize(
    ("file", "rerun"),
    [
        ("twins/motion.py", {"twins"}),
        ("twins/faces.py", {"twins"}),
        ("errors.py", set()),
        ("cli/data.py", set()),
        ("cli/training.py", set()),
        ("planning/plan.py", set()),
        ("training/gpus.py", set()),
        ("flow/tvl1_opencv.py", set()),
        ("flow/tvl1_torch.py", set()),
    ],
)
def test_an_edit_reruns_exactly(package, before, file, rerun):
    assert rerun_by_an_edit(package / file, before) == rerun


def test_every_step_has_code_that_exists(package):
    for modules in STEPS.values():
        assert set(modules) <= dependencies(*modules)
    with pytest.raises(ValueError, match=r"ra_icl\.flow\.nowhere: no such module"):
        code_digest("ra_icl.flow.nowhere")


BEFORE = '''"""Doc."""

from ra_icl.datasets.index import NAMES


def first(values):
    """Return the first."""
    return values[0]  # there is one


option: Annotated[int, Range(1, 9), Help("the first value")] = 1
'''


@pytest.mark.parametrize(
    ("after", "changed"),
    [
        (BEFORE.replace("Doc.", "Other words."), False),
        (BEFORE.replace("Return the first.", "Return\n    the first value."), False),
        (BEFORE.replace('    """Return the first."""\n', ""), False),
        (BEFORE.replace("# there is one", "# there is always one"), False),
        (BEFORE.replace("values[0]", "(values[\n        0\n    ])").replace("\n\n\n", "\n"), False),
        (BEFORE.replace("the first value", "which value is the first"), False),
        (BEFORE.replace("Range(1, 9)", "Range(1, 8)"), True),
        (BEFORE.replace("values[0]", "values[1]"), True),
        (BEFORE.replace("def first(values)", "def first(values, default=None)"), True),
        (BEFORE.replace("index import NAMES", "index import COLUMNS"), True),
    ],
)
def test_words_and_layout_do_not_count(package, after, changed):
    path = package / "flow" / "example.py"
    path.write_text(BEFORE)
    before = code_digest("ra_icl.flow.example")
    code._read.cache_clear()
    path.write_text(after)
    assert (code_digest("ra_icl.flow.example") != before) == changed


def test_the_digest_is_the_same_in_every_version_of_python(package):
    """Of what versions unparse or dump differently: quotes within f-strings, fields that are new or empty."""
    (package / "flow" / "example.py").write_text(
        "class One:\n"
        "    def name(self, path, *, suffix=None, **more):\n"
        """        return f"{suffix or 'none'!r:>9}" "it's" if path else b"x" + u"y".encode() * 1.5e-3\n"""
    )
    assert code._read("ra_icl.flow.example")[1] == "6c05e0c8fa72a62e310699cb00edabd51c74eefcbb6e220c578e9701273def69"


def test_imports_are_followed_wherever_they_are_written(package):
    folder = package / "flow"
    (folder / "example.py").write_text("def late():\n    import ra_icl.flow.one\n    from ra_icl.flow import two\n")
    (folder / "one.py").write_text("from ra_icl.flow.three import value\n")
    (folder / "two.py").write_text("import numpy\n")
    (folder / "three.py").write_text("value = 3\n")
    assert dependencies("ra_icl.flow.example") == {
        *("ra_icl", "ra_icl.flow", "ra_icl.flow.example"),
        *("ra_icl.flow.one", "ra_icl.flow.two", "ra_icl.flow.three"),
    }


def test_a_relative_import_is_refused(package):
    (package / "flow" / "example.py").write_text("from . import strain\n")
    with pytest.raises(ValueError, match=r"ra_icl\.flow\.example, line 1: a relative import"):
        code_digest("ra_icl.flow.example")
