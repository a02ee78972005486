"""Whether the first row of a table names its columns, or is data like the rows below it."""

from __future__ import annotations

from collections.abc import Sequence

from textgraft.data.columns import LABEL_NAMES, NUMBER_NAMES, TEXT_NAMES

_KNOWN = frozenset(
    (*TEXT_NAMES, *LABEL_NAMES, *NUMBER_NAMES, "id", "tokens", "tags", "word", "summary", "answer")
)
_WORDS = 3
"""From so many words on, a cell of the first row is no name, where the cells below are texts as well."""
_LONG = 60
MOST_TITLES = 10
"""Rows that may stand above a header."""
_LEAST_ROWS = 3


def left_out(title: str) -> str:
    """Say that something stands above a header."""
    return f"What stands above the header is left out, as {title.strip()[:40]!r}."


def name_columns(first: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[list[str], str | None]:
    """Name the columns of a table by its first row, or by number where that is data.

    Args:
        first: The cells of the first row.
        rows: Those of some rows below it, equally many each.

    Returns:
        The names, and a remark for the user where they are numbers.
    """
    if is_header(first, rows):
        return list(first), None
    shown = next((name for name in first if name), "")[:40]
    names = [f"column {place}" for place in range(1, 1 + len(first))]
    return names, (
        f"The first row is data, as {shown!r} in it is like what stands below. The columns are "
        f"called {', '.join(map(repr, names[:3]))}{', …' if len(names) > 3 else ''}. "
        "If it is a header, name the columns by plain words, as in: text,label."
    )


def has_known_name(cells: Sequence[str]) -> bool:
    """Tell whether any cell is one of the names in common use for columns."""
    return any(cell.strip().lower() in _KNOWN for cell in cells)


def count_titles(rows: Sequence[Sequence[str]]) -> int:
    """Return how many of the first rows are no part of a table, as a title that stands above the header.

    Such a row has a first cell alone, of several words or behind a #, and below it comes a header of several
    names.

    Args:
        rows: The cells of the first rows; those of the table itself are equally many.
    """
    filled = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    at = next((place for place, cells in enumerate(filled) if len(cells) > 1), 0)
    if not 0 < at <= MOST_TITLES or len(filled[0]) != 1 or not rows[0][0].strip():
        return 0
    title = filled[0][0]
    if not title.startswith("#") and (len(title.split()) < 2 or title.lower() in _KNOWN):
        return 0
    head, below = rows[at], rows[at + 1 :]
    if len(below) < _LEAST_ROWS or any(len(row) != len(head) or row == head for row in below):
        return 0
    names = filled[at]
    are_names = len(set(names)) == len(names) and not any(map(_is_long, names))
    return at if are_names and is_header(head, below) else 0


def is_header(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first row of a delimited file is a header.

    It is none if a cell of it stands below among few values, if it holds a number where numbers stand below,
    or if all its texts are as long as those below; it is one in case of doubt.

    Args:
        first: The cells of the first row.
        rows: Those of some rows below it, equally many each.
    """
    cells = [cell.strip() for cell in first]
    if not rows or any([cell.strip() for cell in row] == cells for row in rows):
        return True  # files that were joined repeat their header
    columns = [[cell.strip() for cell in column if cell.strip()] for column in zip(*rows, strict=True)]
    if any(map(_repeats, cells, columns)):
        return False
    if has_known_name(cells):
        return True
    numbered = cells == [str(place) for place in range(len(cells))]  # pandas counts columns without names
    if numbered or any(map(_names_numbers, cells, columns)):
        return True
    if any(_is_number(cell) and _are_numbers(column) for cell, column in zip(cells, columns, strict=True)):
        return False
    texts = [(cell, column) for cell, column in zip(cells, columns, strict=True) if _are_texts(column)]
    return not texts or not all(_is_long(cell) for cell, _ in texts)


def _is_long(cell: str) -> bool:
    return len(cell.split()) >= _WORDS or len(cell) > _LONG


def _repeats(cell: str, column: Sequence[str]) -> bool:
    """Tell whether a cell is one of the few values of its column."""
    return bool(cell) and column.count(cell) > 1 and len(set(column)) <= max(2, len(column) // 4)


def _names_numbers(cell: str, column: Sequence[str]) -> bool:
    return bool(cell) and not _is_number(cell) and _are_numbers(column)


def _are_numbers(column: Sequence[str]) -> bool:
    return len(column) > 1 and all(map(_is_number, column))


def _are_texts(column: Sequence[str]) -> bool:
    return bool(column) and sum(len(cell.split()) for cell in column) >= _WORDS * len(column)


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True
