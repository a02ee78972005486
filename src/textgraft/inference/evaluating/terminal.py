"""An evaluation as tables and sentences for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textgraft import wording
from textgraft.data.perturbations import LEVELS, PERTURBATIONS
from textgraft.inference.evaluating.sentences import findings

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from textgraft.inference.evaluating.record import Evaluation
    from textgraft.inference.evaluating.robustness import Robustness


def render(evaluation: Evaluation) -> RenderableType:
    """Return the metrics, and what was found."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [metrics_table(evaluation)]
    if evaluation.robustness is not None:
        parts.append(robustness_table(evaluation.robustness))
    return Group(*parts, *(Text(f"• {line}") for line in findings(evaluation)))


def robustness_table(robustness: Robustness) -> Table:
    """Return how the score changes under each perturbation and level, what is more than chance in bold."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = f"change of {robustness.metric}, {wording.score(robustness.clean)} as the texts stand"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("texts with")
    for level in LEVELS:
        table.add_column(level, justify="right")
    for name, perturbation in PERTURBATIONS.items():
        if name in robustness.not_applicable:
            continue
        cells = []
        for level in LEVELS:
            change = robustness.of(name, level)
            assert change is not None, "all levels of a perturbation are measured"
            told = wording.signed(change.change.value)
            cells.append(Text(told, style="bold" if change.is_worse else ""))
        table.add_row(perturbation.title, *cells)
    return table


def metrics_table(evaluation: Evaluation) -> Table:
    """Return every metric with its interval, the main one in bold."""
    from rich import box
    from rich.table import Table

    title = f"{evaluation.task}, {wording.counted(evaluation.rows, 'row')}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("metric", "value", "95% interval"):
        table.add_column(name, justify="left" if name == "metric" else "right")
    for name, estimate in evaluation.metrics.items():
        is_given = estimate.low is not None and estimate.high is not None
        ends = f"{estimate.low:.4f} to {estimate.high:.4f}" if is_given else "too few rows"
        mark = "bold" if name == evaluation.metric else None
        table.add_row(name, f"{estimate.value:.4f}", ends, style=mark)
    return table
