"""textgraft list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from textgraft.cli.surface import give

if TYPE_CHECKING:
    from textgraft.comparison.catalogue import Choice

_MOST_TASKS = 3


def list_(
    kind: Annotated[str, typer.Argument(help="contenders, tasks, encoders or pipelines.")],
    task: Annotated[str | None, typer.Option("--task", help="Only what is for this task.")] = None,
) -> None:
    """List the contenders, tasks, encoders or pipelines: what each is, where it is default, what it needs."""
    from dataclasses import asdict

    from rich.table import Table

    from textgraft.comparison.catalogue import choices

    found = choices(kind, task)
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
    give([asdict(choice) | {"is_installed": choice.is_installed} for choice in found], table)


def _needs(choice: Choice) -> str:
    parts = [choice.needs] if choice.needs else []
    if choice.extra:
        parts.append(f"extra {choice.extra}{'' if choice.is_installed else ' (not installed)'}")
    return ", ".join(parts)


def _shortened(tasks: tuple[str, ...]) -> str:
    return ", ".join(tasks) if len(tasks) <= _MOST_TASKS else f"{len(tasks)} tasks"
