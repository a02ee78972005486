"""What an estimator takes as texts."""

from __future__ import annotations

from typing import Any

from textgraft.data.inputs import given_texts, is_table, table_names
from textgraft.errors import OptionError


def as_texts(given: Any) -> list[str]:
    """List the texts of a call.

    Args:
        given: A list, an array or a series of strings, or a table or an array of one column.

    Raises:
        OptionError: It has several columns, or an entry is missing or no string.
    """
    if is_table(given):
        names = list(map(str, table_names(given) or ()))
        if len(names) != 1:
            raise OptionError(
                f"these are {len(names)} columns, and one with texts is read: {', '.join(map(repr, names))}",
                where="X",
                fix='Choose one, as make_column_transformer((estimator, "text")).',
            )
        return given_texts(given, names[0])
    if getattr(given, "ndim", 1) == 2:
        if given.shape[1] != 1:
            raise OptionError(
                f"these are {given.shape[1]} columns, and one with texts is read",
                where="X",
                fix="Choose one: X[:, 0].",
            )
        given = given[:, 0]
    return given_texts(given)
