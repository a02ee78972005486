"""An evaluation as tables and sentences for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textgraft.inference.evaluating.sentences import findings

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from textgraft.inference.evaluating.record import Evaluation


def render(evaluation: Evaluation) -> RenderableType:
    """Return the metrics, and what was found."""
    from rich.console import Group
    from rich.text import Text

    return Group(metrics_table(evaluation), *(Text(f"• {line}") for line in findings(evaluation)))


def metrics_table(evaluation: Evaluation) -> Table:
    """Return every metric with its interval, the main one in bold."""
    from rich import box
    from rich.table import Table

    title = f"{evaluation.task}, {evaluation.rows:,} rows"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("metric", "value", "95% interval"):
        table.add_column(name, justify="left" if name == "metric" else "right")
    for name, estimate in evaluation.metrics.items():
        is_given = estimate.low is not None and estimate.high is not None
        ends = f"{estimate.low:.4f} to {estimate.high:.4f}" if is_given else "too few rows"
        mark = "bold" if name == evaluation.metric else None
        table.add_row(name, f"{estimate.value:.4f}", ends, style=mark)
    return table
