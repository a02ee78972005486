"""Every command with its arguments and options, as docs/commands.md has it.

python tools/commands.py > docs/commands.md
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
import typer.main

from textgraft.cli import app

HEAD = """\
# Every command and option

Made by `python tools/commands.py > docs/commands.md` from what `textgraft COMMAND --help` says.
"""


def page() -> str:
    """Return the page."""
    root = typer.main.get_command(app)
    context = typer.Context(root, info_name="textgraft")
    return "\n".join([HEAD, *_commands(root, context)])


def _commands(group: Any, context: typer.Context) -> Iterator[str]:
    for name in sorted(group.list_commands(context)):
        command = group.get_command(context, name)
        own = typer.Context(command, info_name=name, parent=context)
        if hasattr(command, "list_commands"):
            yield from _commands(command, own)
        else:
            yield from _command(command, own)


def _command(command: Any, context: typer.Context) -> Iterator[str]:
    pieces = " ".join(command.collect_usage_pieces(context))
    yield f"## {context.command_path}"
    yield f"    {context.command_path} {pieces}\n"
    yield _line(command.help or "") + "\n"
    rows = [record for parameter in command.get_params(context) if (record := _record(parameter, context))]
    if rows:
        yield "| argument or option | meaning |\n|---|---|"
        yield from (f"| `{name}` | {_line(meaning)} |" for name, meaning in rows)
        yield ""


def _record(parameter: Any, context: typer.Context) -> tuple[str, str] | None:
    if parameter.name == "help" or getattr(parameter, "hidden", False):
        return None
    found = parameter.get_help_record(context)
    return found and (found[0], found[1])


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


if __name__ == "__main__":
    print(page(), end="")
