"""Help and progress bars: examples that can be copied and are accepted, bars on terminals alone."""

import ast
import re
import shlex
from fnmatch import filter as matching
from pathlib import Path, PurePosixPath

import pytest
import typer
from typer.testing import CliRunner

import ra_icl
from ra_icl.cli import app
from ra_icl.cli.examples import example_of
from ra_icl.planning.config import load_config
from ra_icl.planning.plan import make_plan

PROGRAM = typer.main.get_command(app)
CONFIGS = Path(__file__).parents[2] / "config"


@pytest.mark.parametrize("name", sorted(PROGRAM.commands))
def test_the_example_of_every_command_is_accepted(name):
    _, *words = shlex.split(PROGRAM.commands[name].example)
    before = words[: words.index(">")] if ">" in words else words  # the shell's part
    assert before[0] == name
    PROGRAM.commands[name].make_context(name, before[1:])  # raises for unknown, missing and unreadable options


@pytest.fixture(scope="module")
def demo():
    """The paths of the files that `make demo` leaves, and of their folders."""
    plan = make_plan(load_config([CONFIGS / "config.yaml", CONFIGS / "demo.yaml"]))
    files = {"models/cde/m6.safetensors", "benchmarks/folds"}
    for row in plan.index.itertuples():
        files |= {f"twins/{row.dataset}/{row.frames}", f"index/{row.dataset}.csv"}
        files.add(f"crops/{row.dataset}/{row.subject}.safetensors")
    for protocol, method in plan.runs():
        folds = plan.fold_files(protocol, method)
        files |= {f"folds/{fold}" for fold in folds} | {f"folds/{fold[:-4]}.json" for fold in folds}
        files |= {f"flow/{path}" for path in plan.flow_files(protocol, plan.sampling(method))}
        files.add(f"metrics/{protocol}/{method}.json")
    paths = {PurePosixPath("results/demo", file) for file in files}
    return {str(path) for file in paths for path in (file, *file.parents)}


@pytest.mark.parametrize("name", sorted(PROGRAM.commands))
def test_what_an_example_reads_is_made_by_the_demo_or_as_the_help_says(name, demo):
    command = PROGRAM.commands[name]
    lacking = [path for path in re.findall(r"results/[^\s\"]+", command.example) if not matching(demo, path)]
    assert not lacking or "`snakemake " in command.help
    # The data of other configs may not be there.
    assert set(re.findall(r"config/\S+\.yaml", command.example)) <= {"config/demo.yaml"}


def test_an_example_that_names_an_option_the_command_lacks_is_refused():
    with pytest.raises(Exception, match="--outt"):
        PROGRAM.commands["twins"].make_context("twins", ["--dataset", "samm", "--outt", "x"])


@pytest.mark.parametrize("name", ["choose", "combine", "index", "sweep"])
def test_help_shows_the_example_word_for_word_in_a_line_of_its_own(name):
    shown = CliRunner().invoke(app, [name, "--help"]).stdout
    wanted = " ".join(PROGRAM.commands[name].callback.__doc__.partition("Example: ")[2].split())
    assert shown.endswith(f"\nExample:\n  {wanted}\n\n")
    assert "Example" not in shown.partition("\nExample:\n")[0]


def test_an_example_is_a_paragraph_of_its_own():
    assert example_of("What.\n\n    Example: ra-icl x *.csv\n    --out *.y\n\n    More.\n") == (
        *("What.\n\n    More.", "ra-icl x *.csv --out *.y"),
    )
    assert example_of("What.") == ("What.", "")


def test_no_bar_is_drawn_where_nobody_watches():
    calls = [
        (path, node)
        for path in Path(ra_icl.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tqdm"
    ]
    assert {path.stem for path, _ in calls} >= {"crop", "data", "loop", "check_frames", "copies", "render", "power"}
    for path, node in calls:
        given = {word.arg: ast.unparse(word.value) for word in node.keywords}
        assert given.get("disable") == "None", f"{path}:{node.lineno}: tqdm without disable=None"
