"""What labels mean, in the user's words: a table of labels and sentences."""

from __future__ import annotations

from pathlib import Path

from textgraft.data.readers.reading import read_dataset
from textgraft.errors import DataError


def read_descriptions(path: str | Path) -> dict[str, str]:
    """Read a table with the columns ``label`` and ``description``.

    Returns:
        The description of each label, in the order of the file.

    Raises:
        DataError: The file cannot be read, a row cannot be used, or a label stands there twice.
        OptionError: A column is missing.
    """
    rows = read_dataset(path, text="description", label="label")
    if rows.rejected:
        first = rows.rejected[0]
        raise DataError(
            f"a label is not described: {first.reason}",
            where=rows.place(first.line),
            fix="Write a label and a sentence in every row.",
        )
    found: dict[str, str] = {}
    for label, text, line in zip(rows.labels or (), rows.texts, rows.lines, strict=True):
        if label in found:
            raise DataError(
                f"the label {label!r} is described twice", where=rows.place(line), fix="Keep one."
            )
        found[label] = text
    return found
