"""The command line: every step of the workflow as a sub-command of `ra-icl`.

Options of a step are a JSON object; what it leaves out keeps the paper's value. Modules are imported inside the
commands, so that a step pays only for what it uses.
"""

import logging
import os
import sys

import typer

from ra_icl.errors import InputError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)


def main() -> None:
    """Run the command line; bad input, or a file that cannot be used, becomes a line on stderr and exit status 2."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")  # what is wrong with a file is said here, in one line
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        app()
    except InputError as error:
        sys.exit(_report(error))
    except OSError as error:
        if error.filename is None:
            raise
        fault = f"{error.filename}: {error.strerror}; check the path, its permissions and the disk"
        sys.exit(_report(InputError(fault)))


def _report(error: InputError) -> int:
    for line in str(error).splitlines():
        print(f"ra-icl: error: {line}", file=sys.stderr)
    return 2


# Each module adds its commands to `app`.
from ra_icl.cli import data, inspection, results, training  # noqa: E402, F401
