"""Results as tables and as pieces of a notebook's page; whatever is shown of data is text, never markup."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from textgraft.errors import MissingExtraError
from textgraft.terminal import visible

if TYPE_CHECKING:
    import pandas

SHOWN_ROWS = 60
"""Of a longer table, so many are shown; the rest is there all the same."""
_CELL = 300
"""Characters shown of a cell."""
_TEXT = 60
"""Characters from which on a cell is a text, whose column is wide."""
_STYLE = (
    "<style>.textgraft{overflow-x:auto}"
    ".textgraft table{border-collapse:collapse;margin:.4em 0;font-size:inherit}"
    ".textgraft th,.textgraft td{padding:.2em .7em;text-align:left;vertical-align:top;"
    "border-bottom:1px solid rgba(128,128,128,.35)}"
    ".textgraft td.n,.textgraft th.n{text-align:right}.textgraft td.n{white-space:nowrap}"
    ".textgraft td.t{min-width:22em}"
    ".textgraft tr.pick td{font-weight:600}.textgraft p{margin:.3em 0}"
    ".textgraft ul{margin:.3em 0}.textgraft .lead{font-size:1.1em;font-weight:600}"
    ".textgraft .quiet{opacity:.75}</style>"
)
"""Only what holds on a light and on a dark page: a notebook has its own colours."""


class Table(Sequence[Mapping[str, Any]]):
    """Rows with named columns: a sequence of dicts that shows itself as a table.

    Args:
        columns: Their names, in order.
        rows: The values of each row, one a column.
    """

    def __init__(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        self.columns = list(columns)
        self._rows = [tuple(row) for row in rows]

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> Table:
        """Make a table of dicts; what a dict lacks is None."""
        columns = list(dict.fromkeys(name for row in rows for name in row))
        return cls(columns, [[row.get(name) for name in columns] for row in rows])

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> Table: ...

    def __getitem__(self, index: int | slice) -> dict[str, Any] | Table:
        if isinstance(index, slice):
            return Table(self.columns, self._rows[index])
        return dict(zip(self.columns, self._rows[index], strict=True))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (dict(zip(self.columns, row, strict=True)) for row in self._rows)

    def column(self, name: str) -> list[Any]:
        """Return the values of a column.

        Raises:
            ValueError: There is none of that name.
        """
        place = self.columns.index(name)
        return [row[place] for row in self._rows]

    def to_pandas(self) -> pandas.DataFrame:
        """Return a DataFrame with a row a row.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise MissingExtraError("pandas", "pandas", "a DataFrame") from error
        return pandas.DataFrame.from_records(self._rows, columns=self.columns)

    def __repr__(self) -> str:
        cells = [self.columns, *([shown(value) for value in row] for row in self._rows[:SHOWN_ROWS])]
        widths = [max(len(row[at]) for row in cells) for at in range(len(self.columns))]
        numbers = self._number_columns()
        lines = [
            "  ".join(
                cell.rjust(width) if number else cell.ljust(width)
                for cell, width, number in zip(row, widths, numbers, strict=True)
            ).rstrip()
            for row in cells
        ]
        if self._left_out:
            lines.append(f"… and {self._left_out:,} more rows")
        return visible("\n".join(lines))

    def _repr_html_(self) -> str:
        return page(self.to_html())

    def to_html(self, mark: int | None = None) -> str:
        """Return it as HTML without a style.

        Args:
            mark: The row to set off from the others.
        """
        kinds = [
            ' class="n"' if number else ' class="t"' if long else ""
            for number, long in zip(self._number_columns(), self._text_columns(), strict=True)
        ]
        head = "".join(
            f"<th{kind}>{html.escape(name)}</th>" for name, kind in zip(self.columns, kinds, strict=True)
        )
        body = "".join(
            ('<tr class="pick">' if place == mark else "<tr>")
            + "".join(
                f"<td{kind}>{html.escape(shown(value))}</td>" for value, kind in zip(row, kinds, strict=True)
            )
            + "</tr>"
            for place, row in enumerate(self._rows[:SHOWN_ROWS])
        )
        more = f'<p class="quiet">… and {self._left_out:,} more rows</p>' if self._left_out else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"

    @property
    def _left_out(self) -> int:
        return max(0, len(self) - SHOWN_ROWS)

    def _number_columns(self) -> list[bool]:
        """Tell which columns hold numbers, and nothing else but gaps."""
        return [
            any(row[at] is not None for row in self._rows)
            and all(row[at] is None or isinstance(row[at], int | float) for row in self._rows)
            for at in range(len(self.columns))
        ]

    def _text_columns(self) -> list[bool]:
        """Tell which columns hold texts."""
        rows = self._rows[:SHOWN_ROWS]
        return [any(len(shown(row[at])) >= _TEXT for row in rows) for at in range(len(self.columns))]


def flat(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer with a column for each value: values by name are called ``score:<name>``."""
    found: dict[str, Any] = {}
    for name, value in answer.items():
        if isinstance(value, Mapping):
            found |= {f"{name.removesuffix('s')}:{key}": inner for key, inner in value.items()}
        else:
            found[name] = value
    return found


def shown(value: Any) -> str:
    """Write a cell for people to read: four digits of a fraction, the beginning of a long text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 10 else f"{value:,.1f}"
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= _CELL else f"{text[: _CELL - 1]}…"


def page(*parts: str) -> str:
    """Return pieces of HTML as one piece of a notebook's page, with the style that they need."""
    inner = "".join(parts)
    return f'{_STYLE}<div class="textgraft">{inner}</div>'


def paragraph(text: str, kind: str = "") -> str:
    """Return a text as a paragraph.

    Args:
        text: Any.
        kind: "lead" for the first sentence, "quiet" for an aside.
    """
    opened = f'<p class="{kind}">' if kind else "<p>"
    return f"{opened}{html.escape(visible(text))}</p>"


def bullets(lines: Sequence[str]) -> str:
    """Return texts as a list; nothing of none."""
    items = "".join(f"<li>{html.escape(visible(line))}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""
