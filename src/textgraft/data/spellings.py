"""Labels that people write in several ways: Food and food, accents of one character or two, spaces unseen.

To a model every spelling is a label of its own. Which ones are the same to people is told by a key that
forgets case, form and what is not seen (Unicode Standard Annex 15, compatibility composition); merging keeps
the spelling that most rows have.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from textgraft.data.dataset import Dataset
from textgraft.data.packed import Coded

_WHOLE = re.compile(r"([+-]?\d+)\.0+")


@dataclass(frozen=True, slots=True)
class Spellings:
    """One label, and the ways in which it is written."""

    name: str
    """What merging makes of all of them: the most frequent one, without what is not seen."""
    rows: dict[str, int]
    """Rows of each spelling, the most frequent first; at least two."""

    def __str__(self) -> str:
        shown = [repr(spelling) for spelling in self.rows]
        if len(set(map(_visible, self.rows))) < len(shown):
            shown = [ascii(spelling) for spelling in self.rows]  # those look alike
        counted = [f"{name} ({rows:,})" for name, rows in zip(shown, self.rows.values(), strict=True)]
        return ", ".join(counted)


def find_spellings(rows: Mapping[str, int]) -> list[Spellings]:
    """Gather the labels that differ in spelling alone.

    Args:
        rows: Rows of each label.

    Returns:
        Every label with more than one spelling, that with most rows first.
    """
    groups: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for name, count in sorted(rows.items(), key=lambda entry: (-entry[1], entry[0])):
        groups[spelling_key(name)][name] = count
    found = [Spellings(_clean(next(iter(group))), group) for group in groups.values() if len(group) > 1]
    return sorted(found, key=lambda group: -sum(group.rows.values()))


def spelling_key(name: str) -> str:
    """Return what all spellings of a label have in common."""
    plain = _clean(unicodedata.normalize("NFKC", name).casefold())
    number = _WHOLE.fullmatch(plain)
    return number[1] if number else plain


def merge_spellings(datasets: Sequence[Dataset]) -> tuple[list[Dataset], list[Spellings]]:
    """Write the labels of some data sets alike.

    Args:
        datasets: Of one task.

    Returns:
        The data sets with merged labels, and what was merged.
    """
    counts: Counter[str] = Counter()
    for dataset in datasets:
        counts.update(dataset.name_counts)
    found = find_spellings(counts)
    merged = {spelling: group.name for group in found for spelling in group.rows}
    return [_renamed(dataset, merged) if merged else dataset for dataset in datasets], found


def _renamed(dataset: Dataset, merged: Mapping[str, str]) -> Dataset:
    def renamed(label: Any) -> Any:
        if isinstance(label, str):
            return merged.get(label, label)
        if isinstance(label, tuple):
            return tuple(dict.fromkeys(merged.get(name, name) for name in label))
        return label

    if dataset.labels is None:
        return dataset
    if isinstance(dataset.labels, Coded):
        return replace(dataset, labels=dataset.labels.mapped(renamed))
    if dataset.kinds is None:
        return replace(dataset, labels=[renamed(label) for label in dataset.labels])
    tags = [
        [f"{tag[:2]}{merged.get(tag[2:], tag[2:])}" if tag[2:] else tag for tag in row]
        for row in dataset.labels
    ]
    return replace(dataset, labels=tags, kinds=[renamed(kinds) for kinds in dataset.kinds])


def _clean(name: str) -> str:
    """Leave out what is not seen, and write every kind of space as one plain space."""
    seen = "".join(character for character in unicodedata.normalize("NFC", name) if _is_seen(character))
    return " ".join(seen.split())


def _is_seen(character: str) -> bool:
    # Joiners shape letters of Persian and Indic scripts, and emoji: they are part of how a name is written.
    return unicodedata.category(character) != "Cf" or character in "\u200c\u200d"


def _visible(name: str) -> str:
    return repr(unicodedata.normalize("NFC", name))
