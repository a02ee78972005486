"""textgraft list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from textgraft.terminal import open_console

if TYPE_CHECKING:
    from textgraft.comparison.catalogue import Choice

_MOST_TASKS = 3


def list_(
    kind: Annotated[str, typer.Argument(help="contenders, tasks, encoders or pipelines.")],
    task: Annotated[str | None, typer.Option("--task", help="Only what is for this task.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """List the contenders, tasks, encoders or pipelines: what each is, where it is default, what it needs."""
    import json
    from dataclasses import asdict

    from rich.table import Table

    from textgraft.comparison.catalogue import choices

    console = open_console()
    found = choices(kind, task)
    if as_json:
        rows = [asdict(choice) | {"is_installed": choice.is_installed} for choice in found]
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    columns = {
        "name": [choice.name for choice in found],
        "what it is": [choice.what for choice in found],
        "default": [choice.default or "" for choice in found],
        "needs": [_needs(choice) for choice in found],
    }
    if kind in ("contenders", "pipelines") and task is None:
        columns["tasks"] = [_shortened(choice.tasks) for choice in found]
    table = Table(box=None)
    for name, cells in columns.items():
        if any(cells):
            table.add_column(name, overflow="fold", no_wrap=name == "name")
    for row in zip(*(cells for cells in columns.values() if any(cells)), strict=True):
        table.add_row(*row)
    console.print(table)


def _needs(choice: Choice) -> str:
    parts = [choice.needs] if choice.needs else []
    if choice.extra:
        parts.append(f"extra {choice.extra}{'' if choice.is_installed else ' (not installed)'}")
    return ", ".join(parts)


def _shortened(tasks: tuple[str, ...]) -> str:
    return ", ".join(tasks) if len(tasks) <= _MOST_TASKS else f"{len(tasks)} tasks"
