"""Every sub-command, given files and options that are missing, of another kind or garbage: one line, exit status 2."""

import inspect
import typing
from pathlib import Path

import pytest

from ra_icl import cli
from ra_icl.datasets.index import COLUMNS

HEADER = ",".join(COLUMNS) + "\n"
FILES = {
    "garbage": bytes(range(256)) * 20,
    "latin.csv": b"dataset,subject\n\xff\xfe,2\n",
    "cut.json": b'[1, {"x": [',
    "deep.json": b"[" * 20_000,
    "list.json": b"[1, 2]",
    "objects.json": b"[{}]",
    "object.json": b"{}",
    "null.json": b"null",
    "empty": b"",
    "header.csv": HEADER.encode(),
    "index.csv": (HEADER + "own,s,q,f,1,2,3,30,a\n").encode(),
}
PATHS = [*FILES, "missing", ".", "", "x" * 300]
TEXTS = ["{", "[1]", "null", "5", '"x"', "[[1]]", '{"x": [1]}', '{"mode": 3}', '{"size": NaN}', "[" * 20_000, "\udcff"]
# What an option that is neither a file nor JSON is given; of the choices the last is none of them.
WORDS = {"dataset": "own", "protocol": "own", "subject": "s", "method": "m6", "number": "4", "figure": "4", "name": "1"}
WORDS |= {"grid": "maps", "label": "0", "data_source": "twins"}
COMMANDS = {command.name or command.callback.__name__: command.callback for command in cli.app.registered_commands}


def run(capsys, monkeypatch, arguments):
    """Exit status and the lines on stderr; an exception of any other kind fails the test."""
    monkeypatch.setattr("sys.argv", ["ra-icl", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code, capsys.readouterr()


def arguments_of(command, path, text, words=WORDS):
    """A command line that gives `path` to every file and `text` to every JSON that the command takes."""
    hints = typing.get_type_hints(COMMANDS[command], include_extras=True)
    options, positional = [], []
    for name, parameter in inspect.signature(COMMANDS[command]).parameters.items():
        kind, info = typing.get_args(hints[name]) or (hints[name], None)
        if name in ("out", "figure") and "Path" in str(kind):
            value = "out/x.csv"
        elif "Path" in str(kind):
            value = path
        elif "JSON" in str(getattr(info, "help", "")) and kind in (str, str | None):
            value = text
        elif name in words or parameter.default is inspect.Parameter.empty:
            value = words.get(name, "x")
        else:
            continue
        if type(info).__name__ == "ArgumentInfo":
            positional.append(value)
        else:
            options += [f"--{name.replace('_', '-')}", value]
    return [command, *positional, *options]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)


def check_one_line(command, arguments, code, said):
    lines = [line for line in said.err.splitlines() if line.startswith("ra-icl: error: ")]
    assert code != 0, arguments
    assert len(lines) == 1, (arguments, said.err)
    assert said.err.splitlines()[-1] == lines[0], command


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - {"config-schema"}))
def test_bad_files_and_options_are_one_line(command, capsys, monkeypatch):
    for path in PATHS:
        arguments = arguments_of(command, path, "{}")
        check_one_line(command, arguments, *run(capsys, monkeypatch, arguments))
    if any("JSON" in str(hint) for hint in typing.get_type_hints(COMMANDS[command], include_extras=True).values()):
        for text in TEXTS:
            arguments = arguments_of(command, "index.csv", text)
            check_one_line(command, arguments, *run(capsys, monkeypatch, arguments))
    assert not Path("out").exists() or not any(path.is_file() for path in Path("out").rglob("*"))


@pytest.mark.parametrize(
    "command", [name for name in COMMANDS if "data_source" in str(inspect.signature(COMMANDS[name]))]
)
def test_a_data_source_that_nobody_knows_is_one_line(command, capsys, monkeypatch):
    arguments = [*arguments_of(command, "index.csv", "{}"), "--data-source", "twin"]
    code, said = run(capsys, monkeypatch, arguments)
    assert code == 2
    assert said.err.splitlines() == [
        "ra-icl: error: --data-source twin: is not known; choose one of datasets, twins, public_flow"
    ]


def test_a_fold_is_not_trained_for_classes_that_are_no_list(capsys, monkeypatch):
    for text in ("{", "5", "[[1]]", "null"):
        arguments = ["fold", "--out", "own-s.csv", "--index", "index.csv", "--flow", ".", "--protocol", "own"]
        arguments += ["--data-source", "datasets"]
        code, said = run(capsys, monkeypatch, [*arguments, "--classes", text])
        assert code == 2
        assert said.err.startswith("ra-icl: error: --classes: ")


def test_own_data_have_no_twin(capsys, monkeypatch):
    code, said = run(capsys, monkeypatch, ["twins", "--dataset", "own", "--out", "x"])
    assert code == 2
    line = "--dataset own: has no synthetic twin; choose one of casme2, samm, smic, casme3"
    assert said.err.splitlines() == [f"ra-icl: error: {line}"]


@pytest.mark.parametrize(
    ("peer", "option", "line"),
    [
        ("svm", "--keep-network", "--keep-network: peer svm has no network and no epochs; leave it out"),
        ("svm", "--keep-epochs", "--keep-epochs: peer svm has no network and no epochs; leave it out"),
        ("svm", "--keep-views", "--keep-views: peer svm predicts in one way; leave it out"),
        ("ststnet", "--keep-views", "--keep-views: peer ststnet predicts in one way; leave it out"),
    ],
)
def test_what_a_peer_does_not_have_cannot_be_kept(peer, option, line, capsys, monkeypatch):
    arguments = ["fold", "--out", "casme2-s.csv", "--index", "index.csv", "--flow", ".", option]
    arguments += ["--data-source", "twins"]
    code, said = run(capsys, monkeypatch, [*arguments, "--options", f'{{"peer": {{"name": "{peer}"}}}}'])
    assert (code, said.err.splitlines()) == (2, [f"ra-icl: error: {line}"])


def test_a_figure_of_one_result_is_not_given_two(capsys, monkeypatch):
    for figure in ("4", "own"):
        code, said = run(capsys, monkeypatch, ["confusion", figure, "a.json", "b.json", "--out", "x"])
        line = f"figure {figure}: shows one metrics JSON, but 2 are given; draw one figure of each"
        assert (code, said.err.splitlines()) == (2, [f"ra-icl: error: {line}"])
