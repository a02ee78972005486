"""textgraft list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from textgraft.cli.surface import give
from textgraft.wording import listing

if TYPE_CHECKING:
    from textgraft.comparison.catalogue import Choice

_MOST_TASKS = 3


def list_(
    kind: Annotated[str, typer.Argument(help="contenders, tasks, encoders or pipelines.")],
    task: Annotated[str | None, typer.Option("--task", help="List only what fits this task.")] = None,
) -> None:
    """List the contenders, tasks, encoders or pipelines: what each is, where it is default, what it needs."""
    from dataclasses import asdict

    from rich.table import Table
    from rich.text import Text

    from textgraft.comparison.catalogue import choices

    found = choices(kind, task)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for choice in found:
        table.add_row(choice.name, choice.what)
        default = choice.default and f"default: {choice.default}"
        told = " · ".join(filter(None, (default, _needs(choice), _tasks(choice, kind, task))))
        if told:
            table.add_row("", Text(told, style="dim"))
    give([asdict(choice) | {"is_installed": choice.is_installed} for choice in found], table)


def _needs(choice: Choice) -> str:
    parts = [choice.needs] if choice.needs else []
    if choice.extra:
        parts.append(f"the extra {choice.extra}{'' if choice.is_installed else ' (not installed)'}")
    return f"needs {listing(parts)}" if parts else ""


def _tasks(choice: Choice, kind: str, task: str | None) -> str:
    """Say what tasks it is for, where that is not the name itself or what was asked."""
    if kind not in ("contenders", "pipelines") or task is not None or choice.tasks in ((), (choice.name,)):
        return ""
    shown = choice.tasks if len(choice.tasks) <= _MOST_TASKS else choice.tasks[:_MOST_TASKS]
    more = len(choice.tasks) - len(shown)
    return f"for {', '.join(shown)}" + (f" and {more} more" if more else "")
