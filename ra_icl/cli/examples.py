"""The example in the help of a command, word for word: Markdown takes its * for emphasis and breaks its line."""

import re
from typing import Any

from typer.core import TyperCommand


def example_of(text: str) -> tuple[str, str]:
    """A docstring without its paragraph `Example: ra-icl ...`, and the command in it as one line; "" if it has none."""
    match = re.search(r"^[ \t]*Example: (.+?)\s*(?:\n[ \t]*\n|\Z)", text, re.DOTALL | re.MULTILINE)
    if not match:
        return text, ""
    return (text[: match.start()].rstrip() + "\n\n" + text[match.end() :]).rstrip(), " ".join(match[1].split())


class Command(TyperCommand):
    """A command whose help ends with its example, to be copied from the terminal."""

    def __init__(self, *arguments: Any, help: str | None = None, **more: Any) -> None:
        text, self.example = example_of(help or "")
        super().__init__(*arguments, help=text, **more)

    def get_help(self, ctx: Any) -> str:
        """The help, of which all but the example is printed on the way."""
        text = super().get_help(ctx)
        return f"{text}Example:\n  {self.example}\n" if self.example else text
