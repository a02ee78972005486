"""Rows that people who annotated refused: they are no training data, whatever label stands beside them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from textgraft.data.sample import Sample

ANSWER = "answer"
"""Where Prodigy says what became of a row."""
ACCEPTED = "accept"
REFUSED = ("reject", "ignore")
KIND = "rejected annotation"
"""The kind of reason by which such rows are set aside."""


def verdict_column(sample: Sample, used: Collection[str]) -> str | None:
    """Return the column that says which rows were accepted; None where there is none, or it is data itself.

    Args:
        sample: Of the table.
        used: Columns that are read for what they hold: whoever names the verdict as the label learns it.
    """
    if ANSWER not in sample.columns or ANSWER in used:
        return None
    found = set(map(str, sample[ANSWER].filled))
    return ANSWER if found and found <= {ACCEPTED, *REFUSED} else None


def refusal(value: Any) -> str | None:
    """Return why a row is set aside, from what stands in its verdict column; None where it is accepted."""
    return f"{KIND}: its answer is {value!r}" if value in REFUSED else None
