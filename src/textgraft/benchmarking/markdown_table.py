"""A table as Markdown."""

from __future__ import annotations

from textgraft.markdown import plain
from textgraft.tables import Table


def markdown_table(table: Table) -> str:
    """Return a table as Markdown; what is in its cells is text and no markup."""
    lines = [table.columns, ["---"] * len(table.columns)]
    lines += [[plain(str(value)) for value in row.values()] for row in table]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
