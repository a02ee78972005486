"""Labels that are several names in one field: "sport; politics" and "politics; sport" beside "sport"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

_MARKS = ("|", ";", ",")
"""What ``--task multi-label`` cuts fields at."""
_LEAST = 3
"""Labels of several names that there must be."""


class Joined(NamedTuple):
    """A label of several names."""

    label: str
    mark: str
    """What stands between them."""


def find_joined(labels: Mapping[str, int]) -> Joined | None:
    """Return the most frequent of labels that are several names each; None where labels are single names.

    They are several names if these are fewer than the labels that are made of them, and each stands in more
    than one of these. "New York, NY" and "Boston, MA" are not.

    Args:
        labels: Rows of each label.
    """
    for mark in _MARKS:
        cut = {label: {part.strip() for part in label.split(mark)} - {""} for label in labels}
        joined = [label for label, parts in cut.items() if len(parts) > 1]
        uses = Counter(part for label in joined for part in cut[label])
        if len(joined) < _LEAST or len(uses) >= len(joined):
            continue
        if all(uses[part] + (part in labels) > 1 for part in uses):
            return Joined(max(joined, key=lambda label: labels[label]), mark)
    return None
