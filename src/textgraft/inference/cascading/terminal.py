"""The figures of a chain and its parts as a table for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textgraft import wording

if TYPE_CHECKING:
    from rich.console import RenderableType

    from textgraft.inference.cascading.record import Cascade


def render(found: Cascade) -> RenderableType:
    """Return a table with a line for each part and one for the chain, and what was found."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    title = f"{found.title} on {found.measured_on:,} rows that chose nothing"
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True
    )
    # In 80 columns the figures are whole, and so are names of up to 16 letters; longer ones go on below.
    table.add_column("model", overflow="fold")
    for name in (f"{found.title} (95%)", "to the last (95%)", "ms a text", "answers"):
        table.add_column(Text(name), justify="right", no_wrap=True)
    for entry in (*found.parts, found.chain):
        is_last = entry is found.last
        table.add_row(
            Text(entry.name, style="bold" if entry is found.chain else ""),
            f"{wording.score(entry.score.value)} ({wording.interval(entry.score, '–')})",
            ""
            if is_last
            else f"{wording.signed(entry.difference.value)} ({wording.signed_interval(entry.difference)})",
            f"{entry.milliseconds:.3g}",
            "" if entry is found.chain else f"{entry.answered:.0%}",
        )
    return Group(table, *(Text(f"• {line}") for line in found.sentences))
