"""textgraft cache."""

from __future__ import annotations

from typing import Annotated

import typer

from textgraft.cli.surface import give


def cache(
    clear: Annotated[
        str | None,
        typer.Option(
            help="Delete entries of this kind, as predictions, or 'all'; they are computed again when "
            "they are needed."
        ),
    ] = None,
) -> None:
    """Show what the cache folder holds: encodings, predictions, converted graphs and so on; or clear it."""
    import time

    from rich.table import Table
    from rich.text import Text

    from textgraft import wording
    from textgraft.cached import ALL, cached, clear_cache
    from textgraft.files import named_cache_folder

    folder = named_cache_folder()
    if clear is not None:
        freed = clear_cache(clear)
        what = "everything" if clear == ALL else clear
        told = f"{what} cleared: {wording.megabytes(freed / 1e6)} in {folder}"
        give({"folder": folder, "cleared": clear, "bytes": freed}, told)
        return
    kinds = cached()
    table = Table(title=f"{folder}", title_justify="left", box=None)
    for name in ("kind", "entries", "size", "last used"):
        table.add_column(name, justify="left" if name == "kind" else "right")
    for kind in kinds:
        age = wording.duration(max(0.0, time.time() - kind.last_used))
        table.add_row(kind.name, f"{kind.entries:,}", wording.megabytes(kind.bytes / 1e6), f"{age} ago")
    table.add_row("all", "", wording.megabytes(sum(kind.bytes for kind in kinds) / 1e6), "", style="bold")
    hint = Text("Clear with textgraft cache --clear KIND, or --clear all.", style="dim")
    give({"folder": folder, "kinds": kinds}, table, hint)
