"""Quality against the share of a text that is read, as tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textgraft import wording

if TYPE_CHECKING:
    from rich.console import RenderableType

    from textgraft.inference.streaming.early import EarlyDecisions


def render(found: EarlyDecisions) -> RenderableType:
    """Return quality by the share of a text that is read, by the score that answers it, and in words."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    def table(title: str, *names: str) -> Table:
        made = Table(
            title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True
        )
        for name in names:
            made.add_column(Text(name), justify="right", no_wrap=True)
        return made

    rows = f"{found.measured_on:,} rows that chose nothing"
    by_share = table(f"Every text answered after the same share of it, {rows}", "read", found.title, "right")
    for beginning in found.beginnings:
        by_share.add_row(f"{beginning.read:.0%}", wording.score(beginning.score), f"{beginning.right:.1%}")
    by_score = table(
        f"Answered from a score on, {rows}", "score", "read", found.title, "right", "before its end"
    )
    for place, point in enumerate(found.points):
        is_chosen = place == 0 and found.least is not None
        by_score.add_row(
            "whole text" if point.least is None else f"{point.least:.4g}",
            f"{point.read:.0%}",
            wording.score(point.score),
            f"{point.right:.1%}",
            f"{point.early:.0%}",
            style="bold" if is_chosen else "",
        )
    lines = [found.sentence, found.finding]
    return Group(by_share, by_score, *(Text(f"• {line}") for line in lines))
