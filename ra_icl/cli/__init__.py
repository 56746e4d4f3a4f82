"""The command line `ra-icl`: one file per stage. Modules are imported inside the commands, to load only what is used.

May import every other room.
"""

import logging
import os
import sys
from typing import Annotated

import typer

from ra_icl import __version__
from ra_icl.cli.examples import Command
from ra_icl.errors import InputError
from ra_icl.files import unusable, use_utf8

HELP = """What you ask of the Ra-ICL benchmark, and its steps, one command each.

`snakemake --cores all` runs all steps in order; see README.md. `--options` takes a JSON object; whatever it leaves out
keeps its default.
"""
# The commands that no step of the workflow stands for, or that are used beside a run.
BY_HAND = ("check", "status", "predict", "explain", "curves", "audit", "power", "faults", "config-schema")

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=HELP, rich_markup_mode="markdown"
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"ra-icl {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options of `ra-icl` itself."""


def main() -> None:
    """Run the command line; bad input, or a file that cannot be used, becomes one line on stderr and exit status 2."""
    use_utf8()
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")  # what is wrong with a file is said here, in one line
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        app()
    except BrokenPipeError:  # `ra-icl check | head`
        sys.exit(_report(InputError("the reader of the output has gone")))
    except (InputError, OSError, UnicodeError) as error:
        sys.exit(_report(error))


def _report(error: InputError | OSError | UnicodeError) -> int:
    print(f"ra-icl: error: {one_line_of(error)}", file=sys.stderr)
    return 2


def one_line_of(error: InputError | OSError | UnicodeError) -> str:
    """What is wrong with the input, or what the system says of a file, as one line."""
    known = error if isinstance(error, InputError) else unusable(error)
    return " ".join(str(known).split())


# Each module adds its commands to `app`.
from ra_icl.cli import (  # noqa: E402
    attention,  # noqa: F401
    audit,  # noqa: F401
    data,  # noqa: F401
    figures,  # noqa: F401
    inspection,  # noqa: F401
    predict,  # noqa: F401
    report,  # noqa: F401
    results,  # noqa: F401
    status,  # noqa: F401
    training,  # noqa: F401
)

for command in app.registered_commands:
    command.cls = Command
    if (command.name or command.callback.__name__) not in BY_HAND:
        command.rich_help_panel = "Steps of the workflow"
