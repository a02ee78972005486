"""Rows that a model learned from, left out of what is to tell how it does on new ones: there it is surer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from textgraft.data.dataset import Dataset
from textgraft.errors import DataError
from textgraft.models.fingerprint import Fingerprint, hashes, row_texts


def unseen_places(
    rows: Dataset, fingerprints: Sequence[tuple[str, Fingerprint | None]], note: Callable[[str], None]
) -> list[int]:
    """Return the places of the rows that no model learned from, ascending.

    Args:
        rows: Rows, with labels or without.
        fingerprints: What each model, by its name, remembers of the rows that it was made with.
        note: Told what is left out, and which rows had to do with a model otherwise.
    """
    found = hashes(row_texts(rows))
    learned = np.zeros(len(rows), dtype=np.bool_)
    for name, fingerprint in fingerprints:
        if fingerprint is None:
            note(f"{name} does not remember what it learned from: give rows that it has not seen")
            continue
        own = fingerprint.train.holds(found)
        if own.any():
            note(f"{int(own.sum()):,} of {len(rows):,} rows were training rows of {name}: they are left out")
        learned |= own
        if dev := int((fingerprint.dev.holds(found) & ~own).sum()):
            note(f"{dev:,} of {len(rows):,} rows were dev rows of {name}, on which its settings were chosen")
    return list(map(int, np.flatnonzero(~learned)))


def unseen_rows(
    rows: Dataset,
    fingerprints: Sequence[tuple[str, Fingerprint | None]],
    note: Callable[[str], None],
    *,
    fewest: int = 1,
) -> Dataset:
    """Leave out the rows that a model learned from.

    Args:
        rows: Labelled rows.
        fingerprints: As :func:`unseen_places` takes them.
        note: Likewise.
        fewest: Rows that tell anything.

    Raises:
        DataError: Fewer than ``fewest`` are left.
    """
    left = unseen_places(rows, fingerprints, note)
    if len(left) < fewest:
        several = len(fingerprints) > 1
        who = "none of the models learned from" if several else "the model did not learn from"
        raise DataError(
            f"{len(left)} rows are left that {who}",
            where=rows.source,
            fix=f"Give labelled rows new to {'all of them' if several else 'it'}"
            + (
                f": {fewest} at least, better several hundred." if fewest > 1 else ", better several hundred."
            ),
        )
    return rows if len(left) == len(rows) else rows.select(left)
