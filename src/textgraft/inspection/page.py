"""What every inspection shows, once: the terminal, a notebook and the HTML page are drawn from it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from textgraft.files import write_atomic
from textgraft.reporting.figures import Figure
from textgraft.reporting.files import refuse_report, report_paths
from textgraft.reporting.page import render_page
from textgraft.reporting.picture import picture

if TYPE_CHECKING:
    from rich.console import RenderableType

WARM, COLD = (213, 94, 0), (0, 114, 178)
"""Behind words that speak for, and against; told apart by the colour-blind as well (Okabe and Ito)."""


@dataclass(frozen=True)
class Table:
    """Rows of texts and figures under their headings."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1
    """How many of the first columns hold texts, and stand on the left."""


@dataclass(frozen=True)
class Section:
    """A part of a page; whatever it lacks is left out."""

    title: str
    note: str = ""
    words: Sequence[tuple[str, float]] = ()
    """A text word by word, each with a weight of −1 to 1 that colours it."""
    plot: str = ""
    """Name of a figure of the page."""
    plot_width: int = 0
    """Pixels below which the plot is scrolled instead of squeezed."""
    table: Table | None = None
    folded: bool = False
    """Whether the table is shown only when asked for."""

    def coloured(self) -> list[tuple[str, str]]:
        """Return each word with the colour behind it, as CSS has it."""
        return [(word, _behind(weight)) for word, weight in self.words]


@dataclass(frozen=True)
class Page:
    """All that is shown of a result."""

    kind: str
    """As "gradients"."""
    title: str
    meta: str
    headline: str
    findings: Sequence[str]
    sections: Sequence[Section]
    figures: Mapping[str, Figure] = field(default_factory=dict)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What an inspection found: figures alone, from which everything that is shown is drawn."""

    def page(self) -> Page:
        """Return what is shown of it."""
        raise NotImplementedError

    def to_json(self) -> str:
        """Return the whole record as JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1).decode()

    def table(self) -> list[dict[str, str]]:
        """Return the rows of its first table by column, as pandas.DataFrame takes them."""
        tables = [section.table for section in self.page().sections if section.table is not None]
        return [dict(zip(tables[0].columns, row, strict=True)) for row in tables[0].rows] if tables else []

    def write(self, report: str | Path, *, overwrite: bool = False) -> Path:
        """Write the page and, beside it, the record; returns where the page is.

        Args:
            report: A file that ends in .html, or a folder for report.html and report.json.
            overwrite: Whether a report that stands there may be replaced.

        Raises:
            OutputError: They cannot be written, or something stands there.
        """
        refuse_report(report, overwrite=overwrite)
        page, record = report_paths(report)
        page.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(record, self.to_json() + "\n")
        write_atomic(page, self.to_html())
        return page

    def to_html(self) -> str:
        """Return the page, which holds everything it needs."""
        page = self.page()
        return render_page("textgraft.inspection", "inspection.html.j2", page.figures, page=page)

    def __repr__(self) -> str:
        page = self.page()
        return f"<{type(self).__name__}: {page.headline}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the page, with its plots as still pictures."""
        page = self.page()
        parts = [f"<b>{html.escape(page.headline)}</b>", f"<p>{html.escape(page.meta)}</p>"]
        parts += [f"<li>{html.escape(line)}</li>" for line in page.findings]
        for section in page.sections:
            parts.append(f"<h4>{html.escape(section.title)}</h4>")
            if section.words:
                spans = [
                    f'<span style="background:{colour};padding:1px 3px;border-radius:3px">'
                    f"{html.escape(word)}</span>"
                    for word, colour in section.coloured()
                ]
                parts.append(f"<p>{' '.join(spans)}</p>")
            if section.plot:
                parts.append(picture(page.figures[section.plot]))
            if section.table is not None and not section.folded:
                parts.append(_html_table(section.table))
        return "\n".join(parts)

    def render(self) -> RenderableType:
        """Return what a terminal shows."""
        from rich.console import Group
        from rich.text import Text

        page = self.page()
        parts: list[RenderableType] = [Text(page.headline, style="bold"), Text(page.meta, style="dim")]
        for section in page.sections:
            if section.words:
                parts += [Text(""), Text(section.title), _coloured_text(section.words)]
            if section.table is not None and not section.folded:
                parts += [Text(""), _rich_table(section.title, section.table)]
        return Group(*parts, *(Text(f"• {line}") for line in page.findings))


def _behind(weight: float) -> str:
    red, green, blue = WARM if weight >= 0 else COLD
    return f"rgba({red},{green},{blue},{0.75 * min(1.0, abs(weight)):.2f})"


def _html_table(table: Table) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in table.columns)
    rows = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in table.rows]
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _rich_table(title: str, table: Table) -> RenderableType:
    from rich import box
    from rich.table import Table as RichTable

    drawn = RichTable(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for at, name in enumerate(table.columns):
        drawn.add_column(name, justify="left" if at < table.texts else "right")
    for row in table.rows:
        drawn.add_row(*row)
    return drawn


def _coloured_text(words: Sequence[tuple[str, float]]) -> RenderableType:
    from rich.text import Text

    text = Text()
    for word, weight in words:
        style = "" if abs(weight) < 0.15 else ("red" if weight > 0 else "blue")
        text.append(word, style=f"bold {style}" if abs(weight) > 0.5 else style)
        text.append(" ")
    return text
