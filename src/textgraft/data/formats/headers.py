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
    if any(cell.lower() in _KNOWN for cell in cells):
        return True
    numbered = cells == [str(place) for place in range(len(cells))]  # pandas counts columns without names
    if numbered or any(map(_names_numbers, cells, columns)):
        return True
    if any(_is_number(cell) and _are_numbers(column) for cell, column in zip(cells, columns, strict=True)):
        return False
    texts = [(cell, column) for cell, column in zip(cells, columns, strict=True) if _are_texts(column)]
    return not texts or not all(len(cell.split()) >= _WORDS or len(cell) > _LONG for cell, _ in texts)


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
