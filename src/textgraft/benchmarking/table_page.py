"""The page of a benchmark: its table, what keeps the rows apart, what the folder lacks, and the sources."""

from __future__ import annotations

from collections.abc import Iterator

from textgraft.benchmarking.markdown_table import markdown_table
from textgraft.benchmarking.results import BenchmarkResult, SetResult, turn
from textgraft.markdown import plain
from textgraft.wording import count, duration, listing


def table_page(result: BenchmarkResult) -> str:
    """Return the page as Markdown."""
    lines = [f"- {line}" for line in remarks(result)]
    return f"# {plain(result.title)}\n\n{markdown_table(result.table())}\n\n" + "\n".join(lines) + "\n"


def remarks(result: BenchmarkResult) -> Iterator[str]:
    """Say what is to be known of the rows of the table."""
    yield "In percent, with 95% intervals over the scored rows and, of several, seeds; official scoring."
    yield "A dash: nothing is published, or the contender cannot do the task."
    for one in result.sets:
        yield f"{one.name}: {'; '.join(_of_set(one))}."
    for name, lacks in result.lacking.items():
        yield f"Not run: {name}, for there is {lacks}."
    for system, source in result.sources.items():
        yield f"{system}: {source}."
    yield f"Machine: {result.machine}."


def _of_set(one: SetResult) -> Iterator[str]:
    rows = sorted({figure.train_rows for figure in one.figures})
    yield f"trained on {listing([count(number) for number in rows])} rows"
    figures = sorted(one.figures, key=lambda figure: turn(figure.contender))
    seconds = ", ".join(f"{figure.contender} {duration(figure.training_seconds)}" for figure in figures)
    yield f"training took {seconds}"
    if one.left_out:
        yield f"{count(one.left_out)} scored rows could not be used and are left out"
    if one.caveat:
        yield one.caveat
