"""The verdict and the data check as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textgraft import wording
from textgraft.comparison.judging.answers import answers
from textgraft.data.facts import check_facts
from textgraft.inference.evaluating.sentences import robustness_sentence

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from textgraft.comparison.records.verdict import Verdict
    from textgraft.comparison.reporting.next_steps import NextStep


LONGEST_NAME = 16
"""Of a contender, with which a second metric fits into the table."""


def render(verdict: Verdict) -> RenderableType:
    """Return the results table, the pick, the questions that people come with, and all other sentences."""
    from rich.console import Group
    from rich.text import Text

    first, *rest = verdict.sentences
    if (found := verdict.robustness.get(verdict.pick or "")) is not None:
        rest.append(robustness_sentence(found, verdict.pick or ""))
    asked = [
        Text.assemble((f"{answer.question} {answer.short}", "bold"), f": {answer.because}")
        for answer in answers(verdict)
    ]
    lines = [Text(f"• {sentence}") for sentence in rest]
    return Group(results_table(verdict), Text(""), Text(first, style="bold"), *asked, *lines)


def render_steps(steps: Sequence[NextStep]) -> RenderableType:
    """Return what to do next, each with its command on a line of its own."""
    from rich.console import Group
    from rich.text import Text

    lines: list[RenderableType] = [Text("What next", style="bold")]
    for step in steps:
        lines += [Text(f"• {step.what}"), Text(f"    {step.command}", no_wrap=True, overflow="ignore")]
    return Group(*lines)


def results_table(verdict: Verdict) -> Table:
    """Return one row a contender at the judged size, best score first, the pick marked."""
    from rich import box
    from rich.table import Table

    table = Table(
        title=f"{wording.count(verdict.size)} labelled rows{wording.of_each(verdict.size, verdict.shots)}, "
        f"{wording.count(verdict.test_rows)} test rows",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    # What fits 80 columns; the report has the rest. With its encoder's name, a contender's may be long.
    table.add_column("contender", no_wrap=True)
    longest = max(len(verdict.title(row)) for row in verdict.standings)
    others = verdict.others(1) if longest <= LONGEST_NAME else {}
    for name in (f"{verdict.metric} (95%)", *others.values(), "training", "one text", "size"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in verdict.standings:
        picked = row.contender == verdict.pick
        table.add_row(
            f"{'→' if picked else ' '} {verdict.title(row)}",
            f"{wording.score(row.score.value)} ({wording.interval(row.score, '–')})",
            *(wording.score(row.metrics[name].value) for name in others),
            wording.seconds(row.training_seconds),
            wording.milliseconds(row.latency_ms_p50),
            wording.megabytes(row.model_mb),
            style="bold green" if picked else "dim" if row.excluded_by else None,
        )
    return table


def warned(text: str) -> Text:
    """Return a warning, with a mark before it."""
    from rich.text import Text

    return Text.assemble(("!", "yellow"), f" {text}")


def check_table(check: dict[str, Any]) -> Table:
    """Return the data check (``DataCheck.to_dict()``), one row a finding."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title="Data", title_justify="left", show_header=False)
    for name, value in check_facts(check):
        table.add_row(name, Text(value))
    return table
