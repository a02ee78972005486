"""What a benchmark found, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textgraft.benchmarking.results import BenchmarkResult
from textgraft.benchmarking.table_page import remarks

if TYPE_CHECKING:
    from rich.console import RenderableType

    from textgraft.benchmarking.claims_page import ClaimsResult


def render(result: BenchmarkResult | ClaimsResult) -> list[RenderableType]:
    """Return the table, and what is to be known of its rows."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    found = result.table()
    table = Table(box=box.SIMPLE_HEAD)
    for name in found.columns:
        table.add_column(Text(name))
    for row in found:
        table.add_row(*(Text(str(value)) for value in row.values()))
    told = remarks(result) if isinstance(result, BenchmarkResult) else ()
    return [table, *(Text(f"• {line}") for line in told)]
