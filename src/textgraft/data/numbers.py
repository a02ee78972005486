"""Columns of numbers as people write them: 4.5 and 4,5, 1,234.5 and 1.234,5 and 1 234,5.

Which mark is the decimal one can be told from a whole column alone: "1,234" is a thousand and some among
English numbers, and little more than one among German ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from textgraft.data.values import Settled, UnusableError, as_number

_GROUPED_BY_COMMA = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_GROUPED_BY_POINT = re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_GROUP_SPACE = re.compile(r"(?<=\d)[ \u00a0\u2009\u202f](?=\d{3}(?!\d))")


def read_numbers(cells: Sequence[Any]) -> Settled:
    """Read a column of numbers.

    A comma is the decimal mark if any cell can be read in no other way, as "4,5"; else it groups thousands.
    """
    texts = [_GROUP_SPACE.sub("", cell.strip()) if isinstance(cell, str) else None for cell in cells]
    commas = [text for text in texts if text is not None and "," in text]
    example = next((text for text in commas if _is_decimal_comma(text)), None)
    values: list[float | None] = []
    reasons: dict[int, str] = {}
    for place, (cell, text) in enumerate(zip(cells, texts, strict=True)):
        try:
            values.append(as_number(cell if text is None else _pointed(text, comma_is_decimal=bool(example))))
        except UnusableError as problem:
            values.append(None)
            reasons[place] = str(problem)
    remark = None
    if example is not None:
        pointed = _pointed(example, comma_is_decimal=True)
        remark = f"Commas in numbers are decimal marks: {example!r} is read as {pointed}."
    elif grouped := next((text for text in commas if _GROUPED_BY_COMMA.fullmatch(text)), None):
        remark = f"Commas in numbers group thousands: {grouped!r} is read as {grouped.replace(',', '')}."
    return Settled(values, reasons, remark)


def _is_decimal_comma(text: str) -> bool:
    if _GROUPED_BY_COMMA.fullmatch(text):
        return False
    return bool(_DECIMAL_COMMA.fullmatch(text) or _GROUPED_BY_POINT.fullmatch(text))


def _pointed(text: str, *, comma_is_decimal: bool) -> str:
    """Write a number with a decimal point and without groups; other text is left as it is."""
    if comma_is_decimal:
        if "," in text and _GROUPED_BY_POINT.fullmatch(text):
            text = text.replace(".", "")
        return text.replace(",", ".") if text.count(",") == 1 and "." not in text else text
    return text.replace(",", "") if _GROUPED_BY_COMMA.fullmatch(text) else text
